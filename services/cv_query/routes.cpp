#include "cv_query/routes.hpp"

namespace cv {
namespace {

http::handler bind(api& target, void (api::*method)(const http::request&, http::response&))
{
    return [&target, method](const http::request& in, http::response& out) { (target.*method)(in, out); };
}

} // namespace

std::vector<http::route> make_routes(api& a)
{
    constexpr bool any_host = true;
    return {
        {"/livez", bind(a, &api::livez), any_host},
        {"/readyz", bind(a, &api::readyz), any_host},
        {"/api/v1/", bind(a, &api::index)},
        {"/api/v1/health/", bind(a, &api::health), any_host},
        {"/api/v1/openapi.json", bind(a, &api::openapi)},
        {"/api/v1/cvs/", bind(a, &api::list)},
        {"/api/v1/cvs/{person}/", bind(a, &api::cv)},
        {"/api/v1/cvs/{person}/pdf/", bind(a, &api::pdf)},
        {"/api/v1/cvs/{person}/picture/", bind(a, &api::picture)},
        {"/api/v1/cvs/{person}/{section}/", bind(a, &api::section)},
    };
}

} // namespace cv

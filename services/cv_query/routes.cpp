#include "cv_query/routes.hpp"

namespace cv {
namespace {

struct row
{
    std::string_view pattern;
    void (api::*answer)(const http::request&, http::response&);
    bool any_host = false;
};

constexpr bool any_host = true;
constexpr row table[] = {
    {"/livez", &api::livez, any_host},
    {"/readyz", &api::readyz, any_host},
    {"/api/v1/", &api::index},
    {"/api/v1/health/", &api::health, any_host},
    {"/api/v1/openapi.json", &api::openapi},
    {"/api/v1/cvs/", &api::list},
    {"/api/v1/cvs/{person}/", &api::cv},
    {"/api/v1/cvs/{person}/pdf/", &api::pdf},
    {"/api/v1/cvs/{person}/picture/", &api::picture},
    {"/api/v1/cvs/{person}/{section}/", &api::section},
};
static_assert(std::size(table) < most_routes);

} // namespace

std::vector<http::route> make_routes(api& a)
{
    std::vector<http::route> routes;
    for (const auto& [pattern, answer, open] : table)
        routes.push_back({pattern, [&a, answer](const auto& in, auto& out) { (a.*answer)(in, out); }, open});
    return routes;
}

std::vector<std::string_view> route_patterns()
{
    std::vector<std::string_view> patterns;
    for (const auto& one : table)
        patterns.push_back(one.pattern);
    return patterns;
}

} // namespace cv

#include "cv_health/routes.hpp"

namespace cv {
namespace {

struct row
{
    std::string_view pattern;
    void (sidecar_api::*answer)(const http::request&, http::response&);
    bool any_host = false;
    std::string_view methods = http::read_methods;
};

// Machines ask by whatever name they know; what people see and do is held against ALLOWED_HOSTS, so that no
// page elsewhere can read it by a name of its own.
constexpr bool any_host = true;
constexpr row table[] = {
    {"/livez", &sidecar_api::livez, any_host},
    {"/readyz", &sidecar_api::readyz, any_host},
    {"/readyz/{check}", &sidecar_api::readyz_part, any_host},
    {"/startupz", &sidecar_api::startupz, any_host},
    {"/health", &sidecar_api::health, any_host},
    {"/api/v1/health/", &sidecar_api::health, any_host},
    {"/metrics", &sidecar_api::metrics, any_host},
    {"/", &sidecar_api::page},
    {"/config", &sidecar_api::config},
    {"/events", &sidecar_api::events},
    {"/drain", &sidecar_api::drain, false, "POST"},
    {"/undrain", &sidecar_api::undrain, false, "POST"},
    {"/reload", &sidecar_api::reload, false, "POST"},
    {"/loglevel", &sidecar_api::loglevel, false, "POST"},
};

} // namespace

std::vector<http::route> make_routes(sidecar_api& a)
{
    std::vector<http::route> routes;
    for (const auto& [pattern, answer, open, methods] : table)
        routes.push_back(
            {pattern, [&a, answer](const auto& in, auto& out) { (a.*answer)(in, out); }, open, methods});
    return routes;
}

} // namespace cv

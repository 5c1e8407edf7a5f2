#pragma once
#include "cv_query/api.hpp"
#include "http/router.hpp"

namespace cv {

/// Every endpoint of the service. The handlers refer to `api`, which must outlive them.
std::vector<http::route> make_routes(api& api);

/// The paths of that table, in its order, as metrics name them.
std::vector<std::string_view> route_patterns();

} // namespace cv

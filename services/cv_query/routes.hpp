#pragma once
#include "cv_query/api.hpp"
#include "http/router.hpp"

namespace cv {

/// Every endpoint of the service. The handlers refer to `api`, which must outlive them.
std::vector<http::route> make_routes(api& api);

} // namespace cv

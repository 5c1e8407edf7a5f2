#pragma once
#include "cv_health/sidecar_api.hpp"
#include "http/router.hpp"

namespace cv {

/// Every endpoint of the sidecar. The handlers refer to `api`, which must outlive them.
std::vector<http::route> make_routes(sidecar_api& api);

} // namespace cv

#pragma once
#include "cv_health/observer.hpp"

#include <optional>
#include <string>
#include <vector>

/// The checks that only an observer from outside can make. Pure functions of what has been observed.
namespace cv {

/// Where the service tells its health, and where it is asked through nginx.
inline const std::string health_path = "/api/v1/health/";

/// cv_data, database and cache: what only the service knows, in its own words.
std::vector<health::check> check_served(const std::vector<instance_observation>& instances);

/// Whether every real listener answers.
health::check check_query(const std::vector<instance_observation>& instances);

/// Whether nginx answers, and leads to the service. `proxy`: what came of asking it last.
health::check check_proxy(const settings& config, const std::optional<proxy_answer>& proxy);

} // namespace cv

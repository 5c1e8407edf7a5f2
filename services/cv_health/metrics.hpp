#pragma once
#include "cv_health/observer.hpp"
#include "health/prometheus.hpp"

#include <string>

namespace cv {

/// All metrics of what is observed, read from the scoreboards as they are now; docs/operations.md has their
/// table.
std::string write_metrics(const observer& seen, health::metrics_text::form form);

} // namespace cv

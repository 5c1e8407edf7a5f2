#pragma once
#include "cv_query/catalogue.hpp"
#include "health/report.hpp"

namespace cv {

/// The health report as far as this process knows: what it serves. `generation` is null without a catalogue.
health::report make_query_report(const snapshot* generation, const std::string& version);

} // namespace cv

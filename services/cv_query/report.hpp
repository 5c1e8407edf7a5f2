#pragma once
#include "cv_query/catalogue.hpp"
#include "health/checks.hpp"

namespace cv {

/// Where a worker lives, for what it says of its instance.
struct worker_surroundings
{
    std::string instance;
    const health::scoreboard* board = nullptr; ///< null in tests without an arbiter
    std::string state_dir;
};

/// The health report as far as a worker knows: what it serves, and how its instance is. `generation` is null
/// without a catalogue.
health::report make_query_report(const snapshot* generation, const worker_surroundings& around,
                                 const std::string& version);

/// Why this worker's instance is not ready for requests; empty when it is.
std::string why_not_ready(const snapshot* generation, const worker_surroundings& around);

} // namespace cv

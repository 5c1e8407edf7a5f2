#pragma once
#include "health/report.hpp"
#include "health/scoreboard.hpp"

#include <span>
#include <string>
#include <vector>

/// The checks that the service and the sidecar make alike, of what the scoreboard says and of the machine.
/// Not for the request path of CVs.
namespace cv::health {

/// An instance as a report sees it.
struct observed_instance
{
    std::string name;
    bool alive = true;                 ///< its arbiter runs
    const scoreboard* board = nullptr; ///< null when it could not be read
    std::string fault{};               ///< why it could not, or what else an observer finds wrong
};

/// Whether the instances have the workers they should have, and take the settings they are given.
check check_workers(std::span<const observed_instance> instances);

/// Whether there is room on the file systems of these folders.
check check_disk(const std::vector<std::string>& folders);

/// Adds to the check of what is served what came of the last load.
void add_load(check& cv_data, const load_board& load);

/// Why an instance is not ready for requests by its own account; empty when it is.
std::string why_not_ready(const scoreboard& board);

} // namespace cv::health

#pragma once
#include "config/settings.hpp"
#include "health/scoreboard.hpp"

#include <string>
#include <vector>

namespace cv {

/// What a worker serves with.
struct worker_setup
{
    const settings& config;
    std::vector<int> listeners; ///< listening sockets, shared with the other workers
    std::string instance;       ///< the name of the instance it belongs to
    health::scoreboard& board;
    health::worker_slot& slot;
};

/// The whole life of a worker process, which ends when it has been asked to by SIGTERM (or at once by
/// SIGQUIT) and has answered what had come, or when it has served MAX_REQUESTS. The exit code.
int run_worker(const worker_setup& setup);

} // namespace cv

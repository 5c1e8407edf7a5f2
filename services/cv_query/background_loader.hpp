#pragma once
#include "base/clock.hpp"
#include "config/settings.hpp"

#include <csignal>
#include <sys/types.h>

namespace cv {

/// Loads in a process of its own: LMDB does not let one process open an environment twice, and a load that
/// fails must not take the service along. Not thread-safe.
class background_loader
{
public:
    explicit background_loader(const settings& config) : config_(config) {}
    /// Ends a load that is under way; the catalogue stays as it was.
    ~background_loader();
    background_loader(const background_loader&) = delete;
    background_loader& operator=(const background_loader&) = delete;

    /// The load before there is anything to serve. `signals` are blocked, SIGCHLD among them. False when
    /// SIGTERM or SIGINT has come meanwhile.
    bool run_first(const sigset_t& signals);

    /// Starts a load, or another one behind the one that is under way.
    void start();

    /// Called a few times a second: notices the end of a load, starts the next one that is due. Without CVs
    /// to serve it looks for some every two seconds.
    void tick(bool has_cvs);

private:
    bool running();
    /// `all`: tell the log everything, not only what has changed.
    void fork_child(bool all);

    const settings& config_;
    pid_t child_ = 0;
    bool again_ = false;
    monotonic::time_point next_;
    monotonic::time_point next_reminder_ = monotonic::now() + std::chrono::minutes(5);
};

} // namespace cv

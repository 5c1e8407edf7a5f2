#pragma once
#include "base/clock.hpp"
#include "health/scoreboard.hpp"

#include <functional>
#include <optional>
#include <sys/types.h>

namespace cv {

/// Runs loads one after the other, each in a process of its own: what a CV file holds can end a loader, but
/// not the service. One that makes no progress while it compiles is killed. Not thread-safe; for a process
/// with one thread.
class load_process
{
public:
    /// `start` forks a loader; the pid, or below 0 and errno. `tell_all`: it logs all that it finds, not only
    /// what has changed.
    using starter = std::function<pid_t(bool tell_all)>;

    load_process(health::load_board& board, starter start) : board_(board), start_(std::move(start)) {}

    /// Starts a load, or another one behind the one that runs.
    void start();
    /// Takes note of a child's end; false when it was not the loader.
    bool reap(pid_t pid, int status);
    /// Kills a loader that hangs and starts a load that is due: again and again while the last one has failed
    /// or found no CV.
    void tick(monotonic::time_point now, std::chrono::seconds timeout);
    /// Ends a load that runs; the catalogue stays as it was.
    void stop();

    bool running() const { return pid_ > 0; }
    /// Whether a load runs or one is to be tried again soon.
    bool busy() const { return running() || retry_; }
    /// Whether a load has ended since the last call, and whether that was well.
    std::optional<bool> ended() { return std::exchange(ended_, std::nullopt); }

private:
    void fork_loader(bool tell_all);
    void end(bool good, const std::string& failure);

    health::load_board& board_;
    starter start_;
    pid_t pid_ = 0;
    bool again_ = false;
    bool stopping_ = false;
    std::string killed_; ///< why it was
    std::optional<bool> ended_;
    std::uint64_t progress_ = 0;
    health::load_phase phase_ = health::load_phase::none;
    monotonic::duration silent_{};
    monotonic::time_point last_tick_ = monotonic::now();
    std::optional<monotonic::time_point> retry_;
    monotonic::duration pause_{};
    monotonic::time_point next_reminder_;
};

} // namespace cv

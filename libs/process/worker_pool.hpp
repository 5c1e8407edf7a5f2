#pragma once
#include "base/clock.hpp"
#include "health/scoreboard.hpp"

#include <functional>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace cv {

/// How many workers there are to be, and how long each is waited for.
struct worker_plan
{
    unsigned workers = 1;
    std::chrono::seconds timeout{30};          ///< without a heartbeat
    std::chrono::seconds graceful_timeout{30}; ///< from being asked to leave
};

/// Keeps workers at their number: starts them, replaces those that die, hang or are worn, and all of them by
/// a new generation when asked. Tells the scoreboard. Not thread-safe; for a process with one thread.
///
/// A generation begins with one worker. The others follow, and the generation before leaves, only once that
/// one is ready: so settings with which no worker can start change nothing. Until then the generation before
/// is kept at its number.
class worker_pool
{
public:
    /// `start` forks a worker that serves with this slot; the pid, or below 0 and errno. `on_trial`: of a
    /// generation of which none has been ready yet, beside one that serves.
    using starter = std::function<pid_t(health::worker_slot&, bool on_trial)>;

    worker_pool(const health::scoreboard_file& board, starter start) : board_(board), start_(std::move(start))
    {
    }

    /// Begins a generation.
    void begin(const worker_plan& plan);
    /// Gives up the generation that was begun last, before it has a ready worker; back to the one before.
    void abandon();
    /// The newest generation has had a worker that was ready.
    bool proven() const { return proven_; }
    /// The exit code of a worker that ended by itself before its generation had a ready one.
    std::optional<int> failed_start() const { return failed_start_; }

    /// Takes note of a child's end; false when it was no worker.
    bool reap(pid_t pid, int status);
    /// Looks after all workers; to be called at least a few times a second, and again when a generation has
    /// become proven.
    void tick(monotonic::time_point now);
    /// Starts no more and asks all to leave; to leave at once: without finishing what they are at.
    void stop(bool at_once);
    void signal_all(int signal) const;
    bool empty() const { return workers_.empty(); }
    /// Whether no worker takes new connections any more, or ever will.
    bool all_leaving() const;

private:
    struct worker
    {
        pid_t pid;
        health::worker_slot* slot;
        unsigned generation;
        monotonic::time_point started;
        std::uint64_t heartbeat = 0;
        monotonic::duration silent{};                       ///< awake and without a heartbeat
        std::optional<monotonic::time_point> leave_until{}; ///< asked to leave
        bool hung = false;
        bool seen_ready = false;
    };

    static bool is(const worker& one, health::worker_state state);
    static bool serves(const worker& one);
    /// Whether it counts as one of its generation's workers.
    static bool takes_part(const worker& one);
    void start_missing(unsigned generation, std::size_t wanted, monotonic::time_point now);
    void watch(worker& one, monotonic::duration passed);
    void let_leave(monotonic::time_point now);
    void ask_to_leave(worker& one, monotonic::time_point now);
    void note_death(const worker& gone, int status, monotonic::time_point now);

    const health::scoreboard_file& board_;
    starter start_;
    worker_plan plan_;
    worker_plan before_; ///< of the generation before
    std::vector<worker> workers_;
    unsigned generation_ = 0;
    bool proven_ = true;
    bool stopping_ = false;
    std::optional<int> failed_start_;
    monotonic::time_point last_tick_ = monotonic::now();
    monotonic::time_point next_start_;
    monotonic::time_point last_death_;
};

} // namespace cv

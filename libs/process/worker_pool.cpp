#include "process/worker_pool.hpp"

#include "base/log.hpp"
#include "process/child.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <sys/wait.h>

namespace cv {
namespace {

using health::worker_end;
using health::worker_state;

constexpr auto quick = std::chrono::seconds(5); ///< a death so soon after the start is no accident
constexpr auto shortest_pause = std::chrono::milliseconds(100);
constexpr auto longest_pause = std::chrono::seconds(10);
constexpr auto kill_delay = std::chrono::seconds(1);  ///< from SIGABRT to SIGKILL, awake
constexpr auto leave_delay = std::chrono::seconds(3); ///< beyond GRACEFUL_TIMEOUT
constexpr auto longest_gap = std::chrono::milliseconds(500);

std::uint64_t now_in_seconds()
{
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
            .count());
}

} // namespace

bool worker_pool::is(const worker& one, worker_state state)
{
    return one.slot->state.load(std::memory_order_relaxed) == state;
}

bool worker_pool::takes_part(const worker& one)
{
    return !one.leave_until && !one.hung && !is(one, worker_state::worn) && !is(one, worker_state::leaving);
}

bool worker_pool::serves(const worker& one)
{
    return !one.leave_until && !one.hung &&
           (is(one, worker_state::ready) ||
            (is(one, worker_state::worn) && !one.slot->relieved.load(std::memory_order_relaxed)));
}

bool worker_pool::all_leaving() const
{
    return std::all_of(workers_.begin(), workers_.end(),
                       [](const worker& one) { return is(one, worker_state::leaving); });
}

void worker_pool::begin(const worker_plan& plan)
{
    before_ = std::exchange(plan_, plan);
    ++generation_;
    proven_ = false;
    failed_start_.reset();
    next_start_ = {};
    board_->wanted.set(plan.workers);
}

void worker_pool::abandon()
{
    const auto now = monotonic::now();
    for (auto& one : workers_) {
        if (one.generation == generation_)
            ask_to_leave(one, now);
        else if (one.generation + 1 == generation_)
            one.generation = generation_ + 1; // those that serve are the newest again
    }
    plan_ = before_;
    ++generation_;
    proven_ = true;
    failed_start_.reset();
    board_->wanted.set(plan_.workers);
}

bool worker_pool::reap(pid_t pid, int status)
{
    const auto found =
        std::find_if(workers_.begin(), workers_.end(), [pid](const worker& one) { return one.pid == pid; });
    if (found == workers_.end())
        return false;
    note_death(*found, status, monotonic::now());
    auto& slot = *found->slot;
    slot.state.store(worker_state::none, std::memory_order_relaxed);
    slot.counters.open.set(0);
    slot.pid.store(0, std::memory_order_release);
    workers_.erase(found);
    return true;
}

void worker_pool::note_death(const worker& gone, int status, monotonic::time_point now)
{
    const auto end = describe_end(status);
    const auto pid = std::to_string(gone.pid);
    const bool in_order = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    const bool leaving = gone.leave_until || is(gone, worker_state::leaving) || stopping_;
    if (in_order && leaving) {
        const bool worn =
            !gone.leave_until && !stopping_ && gone.slot->relieved.load(std::memory_order_relaxed);
        board_->ends[static_cast<std::size_t>(worn ? worker_end::worn : worker_end::replaced)].add();
        log::write(log::level::info, "arbiter", "a worker has left",
                   {{"pid", pid}, {"answered", std::to_string(gone.slot->answered.get())}});
        return;
    }
    if (leaving && !gone.hung) {
        board_->ends[static_cast<std::size_t>(worker_end::replaced)].add();
        log::write(log::level::warning, "arbiter", "a worker that was to leave had to be ended",
                   {{"pid", pid}, {"by", end}});
        return;
    }
    board_->ends[static_cast<std::size_t>(gone.hung ? worker_end::hung : worker_end::died)].add();
    board_->last_death.set(gone.hung ? "no heartbeat for TIMEOUT seconds, " + end : end);
    last_death_ = now;
    // An exit code is a decision, and it has said why. A first generation that is killed is tried again, for
    // there is none before it to go back to.
    constexpr unsigned first = 1;
    if (!proven_ && gone.generation == generation_ && (WIFEXITED(status) || generation_ != first)) {
        failed_start_ = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
        return;
    }
    log::write(log::level::error, "arbiter",
               gone.hung ? "a worker that hung has been ended" : "a worker died",
               {{"pid", pid}, {"by", end}});
    if (now - gone.started >= quick && !gone.hung)
        return;
    // The first is replaced at once, each further one a little later.
    const auto row = board_->quick_deaths.get();
    board_->quick_deaths.add();
    if (row > 0)
        next_start_ = now + std::min<monotonic::duration>(
                                shortest_pause * (1 << std::min<std::uint64_t>(row - 1, 10)), longest_pause);
}

void worker_pool::tick(monotonic::time_point now)
{
    const auto passed = std::min<monotonic::duration>(now - last_tick_, longest_gap);
    last_tick_ = now;
    const bool was_proven = proven_;
    for (auto& one : workers_)
        watch(one, passed);
    if (proven_ && !was_proven)
        return; // the caller first makes the settings on trial those in force, for the others to start with
    if (board_->quick_deaths.get() > 0 && now - last_death_ > 2 * longest_pause)
        board_->quick_deaths.set(0);
    let_leave(now);
    constexpr unsigned first = 1;
    if (stopping_ || generation_ < first)
        return;
    start_missing(generation_, proven_ ? plan_.workers : std::size_t{!failed_start_}, now);
    if (!proven_ && generation_ > first)
        start_missing(generation_ - 1, before_.workers, now);
}

void worker_pool::watch(worker& one, monotonic::duration passed)
{
    // Time in which this process did not run either (a paused container, a laptop that slept) counts for at
    // most one gap, and no clock is compared between processes.
    const auto beat = one.slot->heartbeat.get();
    one.silent = beat == one.heartbeat ? one.silent + passed : monotonic::duration::zero();
    one.heartbeat = beat;
    if (is(one, worker_state::ready) && one.generation == generation_ && !one.seen_ready) {
        one.seen_ready = true;
        proven_ = true;
        log::write(log::level::info, "arbiter", "a worker is ready", {{"pid", std::to_string(one.pid)}});
    }
    if (one.silent < plan_.timeout)
        return;
    if (!one.hung) {
        log::write(log::level::error, "arbiter", "a worker has no heartbeat: SIGABRT, then SIGKILL",
                   {{"pid", std::to_string(one.pid)}, {"TIMEOUT", std::to_string(plan_.timeout.count())}});
        one.hung = true;
        ::kill(one.pid, SIGABRT);
    } else if (one.silent >= plan_.timeout + kill_delay) {
        ::kill(one.pid, SIGKILL);
    }
}

void worker_pool::let_leave(monotonic::time_point now)
{
    // One for each that serves beyond what is wanted, the oldest first.
    auto surplus =
        std::count_if(workers_.begin(), workers_.end(), serves) - static_cast<std::ptrdiff_t>(plan_.workers);
    for (auto& one : workers_) {
        if (one.leave_until && now > *one.leave_until)
            ::kill(one.pid, SIGKILL);
        const bool old = one.generation != generation_;
        if (stopping_ || !proven_ || surplus <= 0 || !serves(one) || !(old || is(one, worker_state::worn)))
            continue;
        if (old)
            ask_to_leave(one, now);
        else
            one.slot->relieved.store(true, std::memory_order_relaxed);
        --surplus;
    }
}

void worker_pool::ask_to_leave(worker& one, monotonic::time_point now)
{
    one.leave_until = now + plan_.graceful_timeout + leave_delay;
    ::kill(one.pid, SIGTERM);
}

void worker_pool::start_missing(unsigned generation, std::size_t wanted, monotonic::time_point now)
{
    auto there = static_cast<std::size_t>(
        std::count_if(workers_.begin(), workers_.end(), [generation](const worker& one) {
            return one.generation == generation && takes_part(one);
        }));
    const bool on_trial = !proven_ && generation == generation_ && generation_ > 1;
    for (; there < wanted && now >= next_start_; ++there) {
        auto* const slot = board_.free_slot();
        const auto pid = slot ? ([&] {
            slot->heartbeat.set(0);
            slot->answered.set(0);
            slot->relieved.store(false, std::memory_order_relaxed);
            slot->started.set(now_in_seconds());
            slot->state.store(worker_state::starting, std::memory_order_relaxed);
            return start_(*slot, on_trial);
        })()
                              : -1;
        if (pid < 0) {
            next_start_ = now + std::chrono::seconds(1);
            log::write(log::level::error, "arbiter", "cannot start a worker; trying again",
                       {{"reason", errno_message(errno)}});
            if (slot)
                slot->state.store(worker_state::none, std::memory_order_relaxed);
            return;
        }
        slot->pid.store(static_cast<std::uint32_t>(pid), std::memory_order_release);
        workers_.push_back({.pid = pid, .slot = slot, .generation = generation, .started = now});
    }
}

void worker_pool::stop(bool at_once)
{
    stopping_ = true;
    const auto now = monotonic::now();
    for (auto& one : workers_) {
        if (at_once) {
            one.leave_until = now + leave_delay;
            ::kill(one.pid, SIGQUIT);
        } else if (!one.leave_until) {
            ask_to_leave(one, now);
        }
    }
}

void worker_pool::signal_all(int signal) const
{
    for (const auto& one : workers_)
        ::kill(one.pid, signal);
}

} // namespace cv

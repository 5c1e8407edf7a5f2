#include "process/load_process.hpp"

#include "base/log.hpp"
#include "process/child.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <sys/wait.h>

namespace cv {
namespace {

using health::load_phase;

constexpr auto shortest_pause = std::chrono::seconds(1);
constexpr auto longest_pause = std::chrono::seconds(30);
constexpr auto reminder = std::chrono::minutes(5);
constexpr auto longest_gap = std::chrono::milliseconds(500);

} // namespace

void load_process::start()
{
    if (pid_ > 0)
        again_ = true;
    else if (!stopping_)
        fork_loader(true);
}

void load_process::fork_loader(bool tell_all)
{
    const auto now = monotonic::now();
    again_ = false;
    killed_.clear();
    retry_.reset();
    silent_ = {};
    board_.phase.store(load_phase::waiting, std::memory_order_relaxed);
    board_.done.set(0);
    if (tell_all)
        next_reminder_ = now + reminder;
    pid_ = start_(tell_all);
    if (pid_ >= 0)
        return;
    pid_ = 0;
    end(false, "cannot start a load: " + errno_message(errno));
}

void load_process::end(bool good, const std::string& failure)
{
    board_.loads.add();
    ended_ = good;
    if (!good) {
        board_.failures.add();
        board_.phase.store(load_phase::failed, std::memory_order_relaxed);
        if (!failure.empty()) { // otherwise the loader has said it
            board_.failure.set(failure);
            log::write(log::level::error, "loader", failure);
        }
    }
    const bool served = good && board_.documents.get() > 0;
    pause_ = served ? monotonic::duration::zero()
                    : std::clamp<monotonic::duration>(2 * pause_, shortest_pause, longest_pause);
    if (!served)
        retry_ = monotonic::now() + pause_;
}

bool load_process::reap(pid_t pid, int status)
{
    if (pid != pid_)
        return false;
    pid_ = 0;
    const bool by_itself = WIFEXITED(status);
    const bool good = by_itself && WEXITSTATUS(status) == EXIT_SUCCESS;
    if (stopping_)
        return true;
    const bool said = by_itself && WEXITSTATUS(status) != EXIT_FAILURE; // the code of one that had no words
    end(good, good || said      ? std::string()
              : killed_.empty() ? "the loader ended by " + describe_end(status)
                                : killed_);
    if (again_)
        fork_loader(true);
    return true;
}

void load_process::tick(monotonic::time_point now, std::chrono::seconds timeout)
{
    const auto passed = std::min<monotonic::duration>(now - last_tick_, longest_gap);
    last_tick_ = now;
    if (pid_ == 0) {
        if (retry_ && now >= *retry_ && !stopping_)
            fork_loader(now >= next_reminder_);
        return;
    }
    const auto progress = board_.done.get();
    const auto phase = board_.phase.load(std::memory_order_relaxed);
    const bool moves = progress != progress_ || phase != phase_;
    silent_ = moves ? monotonic::duration::zero() : silent_ + passed;
    progress_ = progress;
    phase_ = phase;
    // How long the end takes is the disk's affair, within reason.
    constexpr int reason = 10;
    if (silent_ >= (phase == load_phase::committing ? reason * timeout : timeout) && killed_.empty()) {
        killed_ = phase == load_phase::waiting
                      ? "another load has been holding the catalogue (load.lock) for TIMEOUT seconds"
                      : "the load made no progress for TIMEOUT seconds and was killed";
        ::kill(pid_, SIGKILL);
    }
}

void load_process::stop()
{
    stopping_ = true;
    if (pid_ > 0)
        ::kill(pid_, SIGKILL); // the catalogue stays as it was, whatever it is at
}

} // namespace cv

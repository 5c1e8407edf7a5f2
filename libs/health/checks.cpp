#include "health/checks.hpp"

#include "base/file.hpp"

#include <algorithm>
#include <cerrno>
#include <set>
#include <sys/statvfs.h>

namespace cv::health {
namespace {

using boost::json::object;

/// Below so much of a file system, and less than so many bytes, free.
struct threshold
{
    double part;
    std::uint64_t bytes;
    bool passed(std::uint64_t free, std::uint64_t size) const
    {
        return free < bytes && static_cast<double>(free) < part * static_cast<double>(size);
    }
};
constexpr threshold warning{0.10, 1ULL << 30};
constexpr threshold failure{0.02, 64ULL << 20};

/// Workers that a death took several times in a row are no accident.
constexpr std::uint64_t many_quick_deaths = 3;

std::size_t present_workers(const scoreboard& board)
{
    const auto slots = used_slots(board);
    return static_cast<std::size_t>(std::count_if(slots.begin(), slots.end(), [](const worker_slot& slot) {
        const auto state = slot.state.load(std::memory_order_relaxed);
        return state != worker_state::none && state != worker_state::leaving;
    }));
}

check check_instance(const observed_instance& one)
{
    check result;
    if (!one.alive)
        result.add(state::error,
                   "its arbiter is gone: start the service again; the ERROR_LOG says why it ended");
    else if (!one.fault.empty())
        result.add(state::error, one.fault);
    if (!one.alive || !one.board)
        return result;
    const auto& board = *one.board;
    const auto ready = ready_workers(board);
    const auto wanted = board.wanted.get();
    const auto phase = board.state.load(std::memory_order_relaxed);
    const auto deaths = board.quick_deaths.get();
    const auto dying = std::to_string(deaths) + " workers died in a row, the last one by " +
                       board.last_death.get() + ": the ERROR_LOG says more";
    if (phase == instance_state::starting && deaths == 0)
        result.add(state::warn, "starting: the first load runs, or no worker is ready yet");
    else if (phase == instance_state::stopping)
        result.add(state::warn, "stopping");
    else if (ready == 0)
        result.add(state::error, "no worker is ready" + (deaths > 0 ? "; " + dying : std::string()));
    else if (deaths >= many_quick_deaths)
        result.add(state::warn, "workers keep dying: " + dying);
    else if (present_workers(board) < wanted)
        result.add(state::warn, std::to_string(ready) + " of " + std::to_string(wanted) +
                                    " workers are there; others are being started");
    if (const auto reason = board.reload_failure.get(); !reason.empty())
        result.add(state::warn, "the last reload was not taken, the settings before are in force: " + reason);
    object ends;
    for (std::size_t i = 0; i < worker_end_count; ++i)
        ends[name(static_cast<worker_end>(i))] = board.ends[i].get();
    result.figures = {{"state", name(phase)},     {"drained", board.drained.load(std::memory_order_relaxed)},
                      {"ready", ready},           {"wanted", wanted},
                      {"ended", std::move(ends)}, {"reloads", board.reloads.get()}};
    return result;
}

} // namespace

check check_workers(std::span<const observed_instance> instances)
{
    check result{"workers", state::ok, {}, {}};
    if (instances.empty())
        result.add(state::error,
                   "no instance of the service is found in CV_RUN_DIR: start cv-query, with the "
                   "same CV_RUN_DIR as here");
    object all;
    for (const auto& one : instances) {
        auto part = check_instance(one);
        if (part.result != state::ok)
            result.add(part.result, one.name + ": " + part.message);
        all[one.name] = std::move(part.figures);
    }
    result.figures["instances"] = std::move(all);
    return result;
}

check check_disk(const std::vector<std::string>& folders)
{
    check result{"disk", state::ok, {}, {}};
    object all;
    std::set<std::uint64_t> seen; // several folders of one file system are told once
    for (const auto& folder : folders) {
        struct statvfs status{};
        if (::statvfs(folder.c_str(), &status) != 0) {
            result.add(state::warn, folder + ": " + errno_message(errno));
            continue;
        }
        if (!seen.insert(status.f_fsid).second)
            continue;
        const auto free = static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
        const auto size = static_cast<std::uint64_t>(status.f_blocks) * status.f_frsize;
        all[folder] = object{{"free_bytes", free}, {"size_bytes", size}};
        const auto message = std::to_string(free >> 20) + " MiB are free in " + folder +
                             ": make room, or new CVs cannot be taken and log lines are lost";
        if (failure.passed(free, size))
            result.add(state::error, message);
        else if (warning.passed(free, size))
            result.add(state::warn, message);
    }
    result.figures["folders"] = std::move(all);
    return result;
}

void add_load(check& cv_data, const load_board& load)
{
    const auto phase = load.phase.load(std::memory_order_relaxed);
    if (const auto reason = load.failure.get(); !reason.empty())
        cv_data.add(state::warn, "the last load failed, what was loaded before is served: " + reason);
    cv_data.figures["load"] = object{{"phase", name(phase)},
                                     {"done", load.done.get()},
                                     {"total", load.total.get()},
                                     {"loads", load.loads.get()},
                                     {"failures", load.failures.get()},
                                     {"milliseconds", load.milliseconds.get()}};
}

std::string why_not_ready(const scoreboard& board)
{
    switch (board.state.load(std::memory_order_relaxed)) {
    case instance_state::starting:
        return "starting";
    case instance_state::stopping:
        return "stopping";
    case instance_state::serving:
        break;
    }
    return board.drained.load(std::memory_order_relaxed) ? "drained by an operator; undrain ends it" : "";
}

} // namespace cv::health

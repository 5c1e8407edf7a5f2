#include "cv_query/load_run.hpp"

#include "base/log.hpp"
#include "config/exit_code.hpp"
#include "cv_query/logs.hpp"

#include <csignal>

namespace cv {
namespace {

using health::load_phase;

void tell_log(const load_report& report)
{
    for (const auto& row : report.refused)
        log::write(log::level::error, "loader", "refused: " + row.reason);
    for (const auto& row : report.mismatched)
        log::write(log::level::error, "loader", "LOCKED FILE CHANGED: " + row.reason);
    for (const auto& row : report.shadowed)
        log::write(log::level::warning, "loader", row.reason);
    log::write(log::level::info, "loader", summary(report));
}

void tell_board(const load_report& report, health::load_board& board)
{
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    board.generation.set(report.state.generation);
    board.loaded_at.set(static_cast<std::uint64_t>(report.state.loaded_at));
    board.documents.set(report.state.documents);
    board.persons.set(report.state.persons);
    board.compiled.set(report.compiled);
    board.unchanged.set(report.unchanged);
    board.removed.set(report.removed);
    board.refused.set(report.refused.size());
    board.mismatched.set(report.mismatched.size());
    board.milliseconds.set(static_cast<std::uint64_t>(report.duration.count()));
    board.ended.set(
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(now).count()));
    board.failure.set({});
    board.phase.store(load_phase::good, std::memory_order_relaxed);
}

} // namespace

int run_load_process(const settings& config, log::level level, health::load_board& board, bool tell_all)
{
    // SIGTERM ends it, and the catalogue stays as it was. The others are for the arbiter, also where a whole
    // group gets them.
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    ::pthread_sigmask(SIG_UNBLOCK, &ends, nullptr);
    start_log(config);
    log::set_level(level);
    try {
        const auto report =
            load_catalogue(config.data_dir, config.state_dir, [&board](std::size_t done, std::size_t total) {
                board.done.set(done);
                board.total.set(total);
                board.phase.store(done == total ? load_phase::committing : load_phase::compiling,
                                  std::memory_order_relaxed);
            });
        if (!report.rebuilt.empty())
            log::write(log::level::error, "loader", report.rebuilt);
        if (tell_all || report.changed)
            tell_log(report);
        tell_board(report, board);
        return exit_code::ok;
    } catch (const std::exception& error) {
        if (tell_all || board.failure.get() != error.what())
            log::write(log::level::error, "loader", error.what());
        board.failure.set(error.what());
        return exit_code::unavailable;
    }
}

std::string summary(const load_report& report)
{
    const auto& state = report.state;
    std::string text = "generation " + std::to_string(state.generation) + ": " +
                       std::to_string(state.documents) + " CVs of " + std::to_string(state.persons) +
                       " persons (";
    for (std::size_t i = 0; i < language_count; ++i)
        text +=
            (i > 0 ? ", " : "") + std::string(language_names[i]) + " " + std::to_string(state.by_language[i]);
    return text + "); " + std::to_string(report.files) + " files: compiled " +
           std::to_string(report.compiled) + ", unchanged " + std::to_string(report.unchanged) +
           ", refused " + std::to_string(report.refused.size()) + ", removed " +
           std::to_string(report.removed) + "; " + std::to_string(report.duration.count()) + " ms";
}

} // namespace cv

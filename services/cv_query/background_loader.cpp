#include "cv_query/background_loader.hpp"

#include "base/file.hpp"
#include "base/log.hpp"
#include "cv_query/commands.hpp"
#include "cv_query/loader.hpp"

#include <cerrno>
#include <csignal>
#include <exception>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace cv {
namespace {

constexpr auto retry = std::chrono::seconds(2);
constexpr auto reminder = std::chrono::minutes(5);

/// Loads, and tells the log what came of it. A load that fails leaves the catalogue as it was.
void load_and_log(const settings& config, bool all)
{
    const auto report = load_catalogue(config.data_dir, config.state_dir);
    if (!report.rebuilt.empty())
        log::write(log::level::error, "loader", report.rebuilt);
    if (!all && !report.changed)
        return;
    for (const auto& row : report.refused)
        log::write(log::level::error, "loader", "refused: " + row.reason);
    for (const auto& row : report.mismatched)
        log::write(log::level::error, "loader", "LOCKED FILE CHANGED: " + row.reason);
    for (const auto& row : report.shadowed)
        log::write(log::level::warning, "loader", row.reason);
    log::write(log::level::info, "loader", summary(report));
}

/// The whole life of a loader process.
[[noreturn]] void run_loader(const settings& config, bool all, pid_t parent)
{
    // It must neither outlive its parent nor keep the sockets open that the parent closes.
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    sigset_t none;
    sigemptyset(&none);
    ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
    log::stop();
    ::close_range(STDERR_FILENO + 1, ~0U, 0);
    if (::getppid() != parent)
        ::_exit(EXIT_FAILURE);
    try {
        log::start(config.error_log, config.log_level, config.log_format);
        load_and_log(config, all);
        ::_exit(EXIT_SUCCESS);
    } catch (const std::exception& error) {
        log::write(log::level::error, "loader", error.what());
    }
    ::_exit(EXIT_FAILURE);
}

} // namespace

background_loader::~background_loader()
{
    if (child_ <= 0)
        return;
    ::kill(child_, SIGTERM);
    ::waitpid(child_, nullptr, 0);
}

void background_loader::start()
{
    again_ = child_ > 0;
    if (!again_)
        fork_child(true);
}

void background_loader::fork_child(bool all)
{
    const auto parent = ::getpid();
    child_ = ::fork();
    if (child_ == 0)
        run_loader(config_, all, parent);
    if (child_ < 0) {
        log::write(log::level::error, "loader", "cannot start a load", {{"reason", errno_message(errno)}});
        child_ = 0;
    }
}

bool background_loader::running()
{
    if (child_ > 0 && ::waitpid(child_, nullptr, WNOHANG) != 0) // its end, or it is no child any more
        child_ = 0;
    return child_ > 0;
}

void background_loader::tick(bool has_cvs)
{
    if (running())
        return;
    const auto now = monotonic::now();
    if (std::exchange(again_, false)) {
        fork_child(true);
    } else if (!has_cvs && now >= next_) {
        // Only what is new is told again and again, and all of it now and then.
        const bool all = now >= next_reminder_;
        if (all)
            next_reminder_ = now + reminder;
        fork_child(all);
    } else {
        return;
    }
    next_ = now + retry;
}

bool background_loader::run_first(const sigset_t& signals)
{
    fork_child(true);
    next_ = monotonic::now() + retry;
    while (running()) {
        siginfo_t info{};
        if (::sigwaitinfo(&signals, &info) == SIGTERM || info.si_signo == SIGINT)
            return false;
        again_ = again_ || info.si_signo == SIGHUP;
    }
    return true;
}

} // namespace cv

#include "process/arbiter.hpp"

#include "base/log.hpp"
#include "base/text.hpp"
#include "process/child.hpp"
#include "process/systemd.hpp"
#include "process/title.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

namespace cv {
namespace {

using health::instance_state;

constexpr auto tick = std::chrono::milliseconds(250);

/// The arbiter's eventfd, as its workers have it.
int wake_descriptor = -1;

sigset_t handled_signals()
{
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGCHLD})
        sigaddset(&set, signal);
    return set;
}

pid_t fork_titled(const std::string& title, std::vector<int> keep, const std::function<int()>& body)
{
    return fork_child(std::move(keep), [&] {
        set_process_title(title);
        return body();
    });
}

} // namespace

void wake_arbiter()
{
    const std::uint64_t one = 1;
    if (::write(wake_descriptor, &one, sizeof one) < 0)
        return; // it looks a few times a second anyway
}

void arbiter::block_signals()
{
    const auto set = handled_signals();
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGCHLD, SIG_DFL); // ignored by some parents, and then no child's end is told
}

arbiter::arbiter(const health::scoreboard_file& board, arbitrated& service, const std::string& control)
    : board_(board), service_(service), control_(control), woken_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      load_(board->load,
            [this](bool tell_all) {
                return fork_titled(plan_.process_name + ": loader", {},
                                   [&] { return service_.run_load(tell_all); });
            }),
      pool_(board,
            [this](health::worker_slot& slot, bool on_trial) {
                auto keep = service_.listeners(on_trial);
                keep.push_back(woken_.get());
                return fork_titled(plan_.process_name + ": worker", std::move(keep),
                                   [&] { return service_.run_worker(slot, on_trial); });
            }),
      plan_(service.plan(false))
{
    const auto set = handled_signals();
    signals_ = unique_fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_ || !woken_)
        throw std::runtime_error("cannot wait for signals: " + errno_message(errno));
    wake_descriptor = woken_.get();
    // Half of what the service manager waits for, as sd_watchdog_enabled(3) advises.
    manager_period_ = watchdog_period() / 2;
}

int arbiter::run()
{
    set_process_title(plan_.process_name + ": arbiter");
    folder_.set_folder(plan_.watched_folder);
    load_.start();
    while (!exit_code_) {
        auto until = monotonic::now() + tick;
        if (const auto next = folder_.next())
            until = std::min(until, *next);
        wait(until);
        take_signals();
        take_children();
        if (const auto now = monotonic::now();
            now >= control_pause_ && !control_.serve([this](std::string_view wish) { return obey(wish); }))
            control_pause_ =
                now + std::chrono::seconds(1); // no descriptor for it: not to be asked again and again
        advance(monotonic::now());
    }
    if (!stopping_)
        service_.stop_listening();
    service_.close_listeners();
    return *exit_code_;
}

void arbiter::wait(monotonic::time_point until)
{
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - monotonic::now()).count();
    std::array<pollfd, 4> sources{
        {{signals_.get(), POLLIN, 0},
         {monotonic::now() < control_pause_ ? -1 : control_.descriptor(), POLLIN, 0},
         {woken_.get(), POLLIN, 0},
         {folder_.descriptor(), POLLIN, 0}}};
    ::poll(sources.data(), sources.size(), static_cast<int>(std::max<std::int64_t>(left, 0)));
    std::uint64_t count = 0;
    if (::read(woken_.get(), &count, sizeof count) < 0)
        return; // nobody has
}

void arbiter::take_signals()
{
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
        switch (info.ssi_signo) {
        case SIGTERM:
        case SIGINT:
            stop(stopping_); // the second one is from somebody who will not wait
            break;
        case SIGQUIT:
            stop(true);
            break;
        case SIGHUP:
            reload();
            break;
        case SIGUSR1:
            if (service_.reopen_logs())
                log::write(log::level::info, "arbiter", "logs opened again");
            else
                log::write(log::level::error, "arbiter",
                           "the log cannot be opened again; the one before goes on",
                           {{"reason", errno_message(errno)}});
            pool_.signal_all(SIGUSR1);
            break;
        default:
            break;
        }
    }
}

void arbiter::take_children()
{
    int status = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;)
        if (!pool_.reap(pid, status))
            load_.reap(pid, status);
}

void arbiter::advance(monotonic::time_point now)
{
    board_->heartbeat.add();
    calm_watchdog(now);
    folder_.update(now);
    if (folder_.due(now) && !stopping_) {
        log::write(log::level::info, "arbiter", "the data folder has changed: loading");
        load_.start();
    }
    if (!load_.busy() && board_->load_wanted.exchange(false, std::memory_order_relaxed) && !stopping_)
        load_.start();
    load_.tick(now, plan_.workers.timeout);
    if (const auto good = load_.ended())
        load_ended(*good);
    pool_.tick(now);
    if (stopping_) {
        // Who comes now is better refused than kept waiting for those that still finish.
        if (pool_.all_leaving() && !std::exchange(listeners_closed_, true))
            service_.close_listeners();
        if (pool_.empty() && !load_.running())
            exit_code_ = exit_code_.value_or(EXIT_SUCCESS);
        return;
    }
    if (pool_.failed_start()) {
        if (step_ == reload_step::proving) {
            end_reload(false, "no worker can start with the new settings");
        } else {
            exit_code_ = pool_.failed_start(); // it has said why
            return;
        }
    } else if (listening_ && pool_.proven()) {
        if (step_ == reload_step::proving)
            end_reload(true, {});
        pool_.tick(now); // the others of a generation that has just been proven
        if (board_->state.load(std::memory_order_relaxed) == instance_state::starting) {
            board_->state.store(instance_state::serving, std::memory_order_relaxed);
            service_.announce();
            log::write(log::level::info, "arbiter", "serving");
        }
        if (step_ == reload_step::none && std::exchange(reload_again_, false))
            reload();
    }
    ask_for_time(now);
    tell_status();
}

void arbiter::load_ended(bool good)
{
    if (stopping_)
        return;
    if (!listening_)
        return begin_serving(); // whatever came of it: there may be CVs of before, and there will be later
    if (step_ != reload_step::loading || --loads_to_wait_ > 0)
        return;
    if (!good)
        return end_reload(false, "no load with the new settings: " + board_->load.failure.get());
    plan_ = service_.plan(true);
    step_ = reload_step::proving;
    pool_.begin(plan_.workers);
}

void arbiter::begin_serving()
{
    service_.open_listeners();
    listening_ = true;
    pool_.begin(plan_.workers);
}

void arbiter::reload()
{
    if (stopping_)
        return;
    if (step_ != reload_step::none || !listening_ || !pool_.proven()) {
        reload_again_ = true;
        return;
    }
    tell_manager("RELOADING=1\nMONOTONIC_USEC=" +
                 std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(
                                    monotonic::now().time_since_epoch())
                                    .count()));
    std::string failure;
    if (!service_.reload(failure)) {
        if (failure.empty()) {
            log::write(log::level::info, "arbiter", "the settings are the same: loading again");
            board_->reloads.add();
            board_->reload_failure.set({});
        } else {
            end_reload(false, failure);
        }
        load_.start();
        return;
    }
    log::write(log::level::info, "arbiter", "the settings have changed: loading, then replacing the workers");
    step_ = reload_step::loading;
    loads_to_wait_ = load_.running() ? 2 : 1;
    load_.start();
}

void arbiter::end_reload(bool taken, const std::string& failure)
{
    const auto step = std::exchange(step_, reload_step::none);
    if (taken) {
        service_.settle(true);
        folder_.set_folder(plan_.watched_folder);
        board_->reloads.add();
        board_->reload_failure.set({});
        set_process_title(plan_.process_name + ": arbiter");
        log::write(log::level::info, "arbiter", "the new settings are in force");
        return;
    }
    board_->failed_reloads.add();
    board_->reload_failure.set(failure);
    log::write(log::level::error, "arbiter", "the settings stay as they were", {{"reason", failure}});
    if (step == reload_step::none) // they were bad by themselves
        return;
    service_.settle(false);
    plan_ = service_.plan(false);
    if (step == reload_step::proving)
        pool_.abandon();
    load_.start(); // what it has loaded may be of other folders
}

void arbiter::stop(bool at_once)
{
    log::write(log::level::info, "arbiter", at_once ? "ending at once" : "draining");
    tell_manager("STOPPING=1\nSTATUS=draining");
    board_->state.store(instance_state::stopping, std::memory_order_relaxed);
    if (!std::exchange(stopping_, true))
        service_.stop_listening();
    load_.stop();
    pool_.stop(at_once);
}

void arbiter::calm_watchdog(monotonic::time_point now)
{
    if (manager_period_ == monotonic::duration::zero() || now < next_manager_)
        return;
    next_manager_ = now + manager_period_;
    notify_manager("WATCHDOG=1");
}

/// A first load may take longer than a service manager waits for a start.
void arbiter::ask_for_time(monotonic::time_point now)
{
    if (listening_ || now < next_extension_)
        return;
    next_extension_ = now + std::chrono::seconds(5);
    notify_manager("EXTEND_TIMEOUT_USEC=30000000\nSTATUS=loading, " +
                   std::to_string(board_->load.done.get()) + " of " +
                   std::to_string(board_->load.total.get()) + " files");
}

void arbiter::tell_status()
{
    if (board_->state.load(std::memory_order_relaxed) != instance_state::serving ||
        step_ != reload_step::none || load_.running())
        return;
    tell_manager("READY=1\nSTATUS=serving " + std::to_string(board_->load.documents.get()) + " CVs of " +
                 std::to_string(board_->load.persons.get()) + " persons with " +
                 std::to_string(health::ready_workers(*board_)) + " workers");
}

void arbiter::tell_manager(const std::string& state)
{
    if (state == told_)
        return;
    told_ = state;
    notify_manager(state);
}

std::string arbiter::obey(std::string_view wish)
{
    const auto words = split_list(wish, ' ');
    const auto verb = words.empty() ? std::string_view() : words[0];
    log::write(log::level::warning, "arbiter", "an operator asks", {{"wish", wish}});
    if (stopping_)
        return "error: ending";
    if (verb == "reload") {
        reload();
        return "ok: reloading";
    }
    if (verb == "drain" || verb == "undrain") {
        board_->drained.store(verb == "drain", std::memory_order_relaxed);
        return verb == "drain" ? "ok: draining; /readyz answers 503 until undrain"
                               : "ok: taking requests again";
    }
    if (verb == "loglevel" && words.size() == 2) {
        const auto level = log::level_from(words[1]);
        if (!level)
            return "error: a log level is debug, info, warning, error or critical";
        log::set_level(*level);
        board_->log_level.store(static_cast<std::uint32_t>(*level), std::memory_order_relaxed);
        return "ok: log level " + std::string(words[1]) + " until the next start or change of settings";
    }
    return "error: no such wish";
}

} // namespace cv

#include "cv_query/query_service.hpp"

#include "config/exit_code.hpp"
#include "cv_query/cv_files.hpp"
#include "cv_query/load_run.hpp"
#include "cv_query/logs.hpp"
#include "cv_query/worker.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <iostream>

namespace cv {
namespace {

/// What a running instance keeps, whatever is set: its files are where they are.
void keep_what_cannot_change(settings& next, const settings& now)
{
    if (next.run_dir == now.run_dir)
        return;
    log::write(log::level::warning, "config", "CV_RUN_DIR takes effect at the next start");
    next.run_dir = now.run_dir;
}

bool same(const configuration& a, const configuration& b)
{
    return std::equal(a.all.begin(), a.all.end(), b.all.begin(), b.all.end(),
                      [](const auto& x, const auto& y) { return x.value == y.value; });
}

void tell(const configuration& found)
{
    for (const auto& line : found.warnings)
        log::write(log::level::warning, "config", line);
}

bool is_at(const listening_socket& socket, const endpoint& where)
{
    auto there = socket.where;
    if (where.port == 0)
        there.port = 0;
    return there == where;
}

/// Listens at these places; on sockets of `kept` where that is the same place.
std::vector<listening_socket> listen_anew(const std::vector<endpoint>& places,
                                          const std::vector<listening_socket>& kept)
{
    std::vector<listening_socket> result;
    for (const auto& where : places) {
        const auto there = std::find_if(kept.begin(), kept.end(),
                                        [&](const listening_socket& one) { return is_at(one, where); });
        if (there == kept.end()) {
            result.push_back(listen_on(where));
            continue;
        }
        unique_fd copy(::fcntl(there->socket.get(), F_DUPFD_CLOEXEC, 3));
        if (!copy)
            throw std::runtime_error("cannot listen on " + to_string(where) + ": " + errno_message(errno));
        result.push_back({std::move(copy), there->where, there->file});
    }
    return result;
}

/// Shuts those of `gone` that are in none of the places of `used`.
void shut_all_but(const std::vector<listening_socket>& used, const std::vector<listening_socket>& gone)
{
    for (const auto& one : gone)
        if (std::none_of(used.begin(), used.end(),
                         [&](const listening_socket& other) { return other.where == one.where; }))
            one.shut();
}

/// Why a data folder cannot be gone over to; empty when it can.
std::string fault_of(const std::string& data_dir)
{
    const auto folder = open_folder(data_dir + "/cvs");
    if (!folder)
        return "CV_DATA_DIR: cannot open " + data_dir + "/cvs: " + errno_message(errno);
    return list_cv_files(folder.get()).empty() ? "CV_DATA_DIR: there is no CV file in " + data_dir + "/cvs"
                                               : std::string();
}

} // namespace

query_service::query_service(const command_line& arguments, configuration found, const std::string& instance,
                             const health::scoreboard_file& board, std::vector<listening_socket> handed_over)
    : arguments_(arguments), instance_(instance), board_(board), handed_over_(!handed_over.empty()),
      now_{std::move(found), std::move(handed_over)}
{
    start_log(now_.config());
    tell(now_.found);
    tell_level();
}

arbiter_plan query_service::plan(bool on_trial) const
{
    const auto& config = that(on_trial).config();
    return {{config.web_concurrency, config.timeout, config.graceful_timeout},
            config.data_dir + "/cvs",
            config.proc_name};
}

void query_service::open_listeners()
{
    if (!handed_over_)
        now_.sockets = listen_anew(now_.config().bind, {});
    tell_listeners(false);
}

std::vector<int> query_service::listeners(bool on_trial) const
{
    std::vector<int> list;
    for (const auto& one : that(on_trial && !handed_over_).sockets)
        list.push_back(one.socket.get());
    return list;
}

void query_service::announce()
{
    tell_listeners(true);
}

void query_service::tell_listeners(bool to_user)
{
    std::string all;
    std::vector<std::string> urls;
    for (const auto& one : now_.sockets) {
        urls.push_back(url_of(one.where));
        all += urls.back() + '\n';
        if (to_user && std::find(announced_.begin(), announced_.end(), urls.back()) == announced_.end())
            output_.write("cv-query ready on " + urls.back() + "\n");
    }
    // Whole lines: a part of an address would be asked in vain.
    all.resize(all.rfind('\n', health::most_listener_text - 1) + 1);
    board_->listeners.set(all);
    if (to_user)
        announced_ = std::move(urls);
}

void query_service::stop_listening()
{
    if (handed_over_)
        return;
    for (const auto& one : now_.sockets)
        one.shut();
    if (next_)
        shut_all_but(now_.sockets, next_->sockets);
}

void query_service::close_listeners()
{
    now_.sockets.clear(); // a unix socket has lost its name when it was shut
    if (next_)
        next_->sockets.clear();
}

bool query_service::reload(std::string& failure)
{
    state next{arguments_.load(), {}};
    const auto& problems = next.found.problems.empty() ? next.found.missing : next.found.problems;
    if (!problems.empty()) {
        failure = problems.front();
        return false;
    }
    keep_what_cannot_change(next.found.values, now_.config());
    if (same(next.found, now_.found))
        return false;
    try {
        if (next.config().data_dir != now_.config().data_dir)
            failure = fault_of(next.config().data_dir);
        if (!failure.empty())
            return false;
        check_logs(next.config());
        if (!handed_over_)
            next.sockets = listen_anew(next.config().bind, now_.sockets);
    } catch (const std::runtime_error& error) {
        failure = error.what();
        return false;
    }
    next_ = std::move(next);
    return true;
}

void query_service::settle(bool taken)
{
    if (!next_)
        return;
    auto other = std::move(*next_);
    next_.reset();
    if (taken) {
        if (handed_over_)
            other.sockets = std::move(now_.sockets);
        std::swap(now_, other);
    }
    shut_all_but(now_.sockets, other.sockets);
    if (!taken)
        return;
    start_log(now_.config());
    tell(now_.found);
    tell_level();
    tell_listeners(true);
}

void query_service::tell_level() const
{
    board_->log_level.store(static_cast<std::uint32_t>(now_.config().log_level), std::memory_order_relaxed);
}

int query_service::run_worker(health::worker_slot& slot, bool on_trial)
{
    try {
        return cv::run_worker({that(on_trial).config(), listeners(on_trial), instance_, *board_, slot});
    } catch (const std::exception& error) {
        log::write(log::level::error, "worker", error.what());
        if (board_->state.load(std::memory_order_relaxed) == health::instance_state::starting)
            std::cerr << "cv-query: " << error.what() << '\n'; // to whoever has just started it
        return exit_code::unavailable;
    }
}

int query_service::run_load(bool tell_all)
{
    const auto level = static_cast<log::level>(board_->log_level.load(std::memory_order_relaxed));
    return run_load_process(that(true).config(), level, board_->load, tell_all);
}

} // namespace cv

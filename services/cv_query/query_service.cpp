#include "cv_query/query_service.hpp"

#include "config/exit_code.hpp"
#include "cv_query/load_run.hpp"
#include "cv_query/logs.hpp"
#include "cv_query/worker.hpp"

#include <algorithm>
#include <fcntl.h>
#include <iostream>

namespace cv {
namespace {

/// What a running instance keeps, whatever is set: its files are where they are.
void keep_what_cannot_change(settings& now, const settings& before)
{
    if (now.run_dir == before.run_dir)
        return;
    log::write(log::level::warning, "config", "CV_RUN_DIR takes effect at the next start");
    now.run_dir = before.run_dir;
}

bool same(const configuration& a, const configuration& b)
{
    return std::equal(a.all.begin(), a.all.end(), b.all.begin(), b.all.end(),
                      [](const auto& x, const auto& y) { return x.value == y.value; });
}

void tell(const configuration& found)
{
    for (const auto& lines : {found.warnings, found.unused()})
        for (const auto& line : lines)
            log::write(log::level::warning, "config", line);
}

bool is_at(const listening_socket& socket, const endpoint& where)
{
    auto there = socket.where;
    if (where.port == 0)
        there.port = 0;
    return there == where;
}

} // namespace

query_service::query_service(const command_line& arguments, configuration found, const std::string& instance,
                             const health::scoreboard_file& board, std::vector<listening_socket> handed_over)
    : arguments_(arguments), found_(std::move(found)), instance_(instance), board_(board),
      handed_over_(!handed_over.empty()), sockets_(std::move(handed_over))
{
    open_logs(config()); // workers open their own; here it only shows that they can
    tell(found_);
    tell_level();
}

arbiter_plan query_service::plan() const
{
    return {{config().web_concurrency, config().timeout, config().graceful_timeout},
            config().data_dir + "/cvs",
            config().proc_name};
}

void query_service::open_listeners()
{
    if (!handed_over_)
        sockets_ = listen_anew({});
    tell_listeners(false);
}

/// Listens where BIND says; on sockets of `kept` where that is the same place.
std::vector<listening_socket> query_service::listen_anew(const std::vector<listening_socket>& kept) const
{
    std::vector<listening_socket> result;
    for (const auto& where : config().bind) {
        const auto there = std::find_if(kept.begin(), kept.end(),
                                        [&](const listening_socket& one) { return is_at(one, where); });
        if (there == kept.end())
            result.push_back(listen_on(where));
        else
            result.push_back(
                {unique_fd(::fcntl(there->socket.get(), F_DUPFD_CLOEXEC, 3)), there->where, there->file});
    }
    return result;
}

std::vector<int> query_service::listeners() const
{
    std::vector<int> list;
    for (const auto& one : sockets_)
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
    for (const auto& one : sockets_) {
        urls.push_back(url_of(one.where));
        all += (all.empty() ? "" : " ") + urls.back();
        if (to_user && std::find(announced_.begin(), announced_.end(), urls.back()) == announced_.end())
            std::cout << "cv-query ready on " << urls.back() << std::endl;
    }
    board_->listeners.set(all);
    if (to_user)
        announced_ = std::move(urls);
}

void query_service::stop_listening()
{
    if (!handed_over_)
        for (const auto& one : sockets_)
            one.shut();
}

void query_service::close_listeners()
{
    if (!handed_over_)
        for (const auto& one : sockets_)
            one.remove_file();
    sockets_.clear();
}

bool query_service::reload(std::string& failure)
{
    auto next = arguments_.load();
    const auto& problems = next.problems.empty() ? next.missing : next.problems;
    if (!problems.empty()) {
        failure = problems.front();
        return false;
    }
    keep_what_cannot_change(next.values, config());
    if (same(next, found_))
        return false;
    before_ = std::exchange(found_, std::move(next));
    try {
        auto sockets = handed_over_ ? std::vector<listening_socket>() : listen_anew(sockets_);
        open_logs(config());
        if (!handed_over_)
            sockets_before_ = std::exchange(sockets_, std::move(sockets));
    } catch (const std::runtime_error& error) {
        failure = error.what();
        found_ = std::move(before_);
        open_error_log(config());
        return false;
    }
    tell(found_);
    return true;
}

void query_service::settle(bool taken)
{
    if (!taken) {
        found_ = std::move(before_);
        open_error_log(config());
        if (!handed_over_)
            std::swap(sockets_, sockets_before_);
    }
    // Those that are in none of the places in use now.
    for (const auto& gone : sockets_before_)
        if (std::none_of(sockets_.begin(), sockets_.end(),
                         [&](const listening_socket& one) { return one.where == gone.where; }))
            gone.shut();
    sockets_before_.clear();
    tell_level();
    tell_listeners(taken);
}

void query_service::tell_level() const
{
    board_->log_level.store(static_cast<std::uint32_t>(config().log_level), std::memory_order_relaxed);
}

void query_service::reopen_logs()
{
    log::reopen();
}

int query_service::run_worker(health::worker_slot& slot)
{
    const auto complain = [this](const std::exception& error, int code) {
        log::write(log::level::error, "worker", error.what());
        if (board_->state.load(std::memory_order_relaxed) == health::instance_state::starting)
            std::cerr << "cv-query: " << error.what() << '\n'; // to whoever has just started it
        return code;
    };
    try {
        return cv::run_worker({config(), listeners(), instance_, *board_, slot});
    } catch (const bad_setting& error) {
        return complain(error, exit_code::configuration);
    } catch (const std::exception& error) {
        return complain(error, exit_code::unavailable);
    }
}

int query_service::run_load(bool tell_all)
{
    return run_load_process(config(), board_->load, tell_all);
}

} // namespace cv

#include "cv_health/observer.hpp"

#include "base/log.hpp"
#include "base/text.hpp"
#include "cv_health/checks.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace cv {
namespace {

namespace asio = boost::asio;
using asio::use_awaitable;
using health::check;
using health::instance_state;
using health::state;

constexpr auto period = std::chrono::seconds(2);
constexpr auto short_period = std::chrono::milliseconds(500); ///< while it is not ready
constexpr auto patience = std::chrono::milliseconds(1500);    ///< less than the period
constexpr auto proxy_period = std::chrono::seconds(10);
constexpr auto longest_silence = std::chrono::seconds(5); ///< of an arbiter
constexpr int warn_days = 30;
constexpr int error_days = 7;
constexpr std::size_t most_changes = 200;

/// For what the sidecar cannot do without: its exception ends io_context::run().
constexpr auto must_not_fail = [](const std::exception_ptr& error) {
    if (error)
        std::rethrow_exception(error);
};

/// Where to ask for what listens there: all addresses of a machine are asked on its loopback.
std::optional<endpoint> place_of(std::string_view url)
{
    constexpr std::string_view scheme = "http://";
    auto where = parse_endpoint(url.starts_with(scheme) ? url.substr(scheme.size()) : url);
    if (where && where->host == "0.0.0.0")
        where->host = "127.0.0.1";
    else if (where && where->host == "::")
        where->host = "::1";
    return where;
}

/// The name by which clients know the site.
std::string public_name(const settings& config)
{
    for (std::string_view name : config.allowed_hosts) {
        if (name.starts_with('.'))
            name.remove_prefix(1);
        if (name != "*" && !name.empty())
            return std::string(name);
    }
    return "localhost";
}

} // namespace

bool instance_observation::should_answer() const
{
    return alive && board && (*board)->state.load(std::memory_order_relaxed) == instance_state::serving;
}

observer::observer(const settings& config) : config_(config)
{
    for (const std::string name :
         {"cv_data", "database", "cache", "query", "workers", "proxy", "certificate", "disk"})
        checks_.push_back({name, state::error, "not known yet: the first round of checks is under way", {}});
}

asio::awaitable<void> observer::run()
{
    const auto executor = co_await asio::this_coro::executor;
    if (!config_.proxy_url.empty())
        asio::co_spawn(executor, watch_proxy(), must_not_fail);
    asio::steady_timer timer(executor);
    const auto begun = monotonic::now();
    for (;;) {
        const auto start = monotonic::now();
        auto found = find_all();
        co_await ask_listeners(found);
        instances_ = std::move(found); // at once: nobody sees a round that is half done
        // The first round is not over before nginx has had its time as well.
        if (config_.proxy_url.empty() || proxy_ || monotonic::now() >= begun + period)
            make_checks();
        timer.expires_at(start + (is_ready() ? monotonic::duration(period) : short_period));
        co_await timer.async_wait(use_awaitable);
    }
}

std::vector<instance_observation> observer::find_all()
{
    std::vector<instance_observation> found;
    for (auto& one : find_instances(config_.run_dir)) {
        instance_observation next;
        next.name = one.name;
        next.files = one.files;
        next.alive = one.alive;
        const auto last = std::find_if(instances_.begin(), instances_.end(),
                                       [&next](const auto& other) { return other.name == next.name; });
        if (last != instances_.end()) {
            next.heartbeat = last->heartbeat;
            next.moved = last->moved;
        }
        try {
            next.board = health::scoreboard_file::open(one.files.scoreboard());
        } catch (const std::runtime_error& error) {
            next.fault = one.fault.empty() ? error.what() : one.fault;
        }
        watch_arbiter(next);
        const auto urls = next.should_answer() ? (*next.board)->listeners.get() : std::string();
        for (const auto url : split_list(urls, '\n'))
            next.listeners.push_back({std::string(url), {}, {}});
        if (next.alive && next.board &&
            (*next.board)->state.load(std::memory_order_relaxed) != instance_state::starting)
            has_started_ = true;
        found.push_back(std::move(next));
    }
    return found;
}

/// An arbiter beats four times a second, by a clock that is nobody's but ours here.
void observer::watch_arbiter(instance_observation& one) const
{
    if (!one.board || !one.alive)
        return;
    const auto beat = (*one.board)->heartbeat.get();
    const auto now = monotonic::now();
    if (beat != std::exchange(one.heartbeat, beat))
        one.moved = now;
    const auto silent = std::chrono::duration_cast<std::chrono::seconds>(now - one.moved);
    if (silent >= longest_silence)
        one.fault = "its arbiter has not moved for " + std::to_string(silent.count()) +
                    " s: it is paused or hangs, and nobody looks after the workers";
}

/// All at once: one that hangs must not keep the others waiting.
asio::awaitable<void> observer::ask_listeners(std::vector<instance_observation>& instances)
{
    const auto executor = co_await asio::this_coro::executor;
    asio::steady_timer done(executor, monotonic::time_point::max());
    std::size_t left = 0;
    const auto ask = [](listener_observation& listener) -> asio::awaitable<void> {
        const auto start = monotonic::now();
        if (const auto where = place_of(listener.url))
            listener.answer = co_await http::async_probe(*where, health_path, patience);
        listener.took = std::chrono::duration_cast<std::chrono::microseconds>(monotonic::now() - start);
    };
    for (auto& one : instances)
        for (auto& listener : one.listeners) {
            ++left;
            asio::co_spawn(executor, ask(listener), [&](const std::exception_ptr& error) {
                if (--left == 0)
                    done.cancel();
                must_not_fail(error);
            });
        }
    boost::system::error_code cancelled;
    if (left > 0)
        co_await done.async_wait(asio::redirect_error(use_awaitable, cancelled));
}

/// On its own: looking up a name may take longer than anything here is waited for.
asio::awaitable<void> observer::watch_proxy()
{
    asio::steady_timer timer(co_await asio::this_coro::executor);
    for (;;) {
        timer.expires_after(proxy_period);
        proxy_ = co_await async_probe_proxy(config_.proxy_url, public_name(config_), health_path, patience);
        co_await timer.async_wait(use_awaitable);
    }
}

const check* observer::find(std::string_view name) const
{
    for (const auto& one : checks_)
        if (one.name == name)
            return &one;
    return nullptr;
}

std::vector<observer::condition> observer::readiness() const
{
    if (!has_observed())
        return {{"instances", "the first round of checks is under way"}};
    const auto fault = [this](std::string_view check_name) {
        const auto* const found = find(check_name);
        return found && found->result == state::error ? found->message : std::string();
    };
    return {{"instances", why_no_instance()}, {"query", fault("query")}, {"cv_data", fault("cv_data")}};
}

bool observer::is_ready() const
{
    const auto conditions = readiness();
    return std::all_of(conditions.begin(), conditions.end(),
                       [](const condition& one) { return one.fault.empty(); });
}

/// Why no instance wants requests; empty when one does.
std::string observer::why_no_instance() const
{
    if (instances_.empty())
        return "no instance of the service is found in CV_RUN_DIR";
    std::string reasons;
    for (const auto& one : instances_) {
        const auto reason = !one.alive   ? "its arbiter is gone"
                            : !one.board ? one.fault
                                         : health::why_not_ready(**one.board);
        if (reason.empty())
            return {};
        reasons += (reasons.empty() ? "" : "; ") + one.name + ": " + reason;
    }
    return reasons;
}

void observer::make_checks()
{
    const auto before = std::move(checks_);
    checks_ = check_served(instances_);
    checks_.push_back(check_query(instances_));
    std::vector<health::observed_instance> seen;
    for (const auto& one : instances_)
        seen.push_back({one.name, one.alive, one.board ? &**one.board : nullptr, one.fault});
    checks_.push_back(health::check_workers(seen));
    checks_.push_back(check_proxy(config_, proxy_));
    checks_.push_back(check_certificate());
    checks_.push_back(health::check_disk({config_.state_dir, config_.run_dir}));
    if (std::exchange(has_observed_, true))
        note_changes(before);
    else
        since_.assign(checks_.size(), monotonic::now());
}

check observer::check_certificate()
{
    check result{"certificate", state::ok, {}, {}};
    const auto& path = config_.tls_certificate;
    const bool has_file = !path.empty() && path != "off";
    std::string fault;
    if (proxy_ && proxy_->end) {
        certificate_end_ = proxy_->end;
        certificate_source_ = config_.proxy_url;
    } else if (has_file) {
        certificate_end_ = end_of_file(path, fault);
        certificate_source_ = path;
    }
    if (!fault.empty()) {
        result.add(state::error, fault + "; TLS_CERTIFICATE names it");
        return result;
    }
    if (!certificate_end_) {
        result.message = "not configured; PROXY_URL or TLS_CERTIFICATE says where it is";
        return result;
    }
    const auto left =
        std::chrono::floor<std::chrono::days>(*certificate_end_ - std::chrono::system_clock::now()).count();
    result.figures = {
        {"not_after", timestamp(*certificate_end_)}, {"days_left", left}, {"source", certificate_source_}};
    if (left < 0)
        result.add(state::error, "expired " + timestamp(*certificate_end_) + ": renew it, then reload nginx");
    else if (left < warn_days)
        result.add(left < error_days ? state::error : state::warn,
                   "ends in " + std::to_string(left) + " days: renew it, then reload nginx");
    return result;
}

void observer::note_changes(const std::vector<check>& before)
{
    const auto now = monotonic::now();
    for (std::size_t i = 0; i < checks_.size(); ++i) {
        const auto& one = checks_[i];
        if (one.result == before[i].result)
            continue;
        changes_.push_front(
            {std::chrono::system_clock::now(), one.name, before[i].result, one.result, one.message,
             std::chrono::duration_cast<std::chrono::seconds>(now - std::exchange(since_[i], now))});
        if (changes_.size() > most_changes)
            changes_.pop_back();
        log::write(one.result == state::ok ? log::level::info : log::level::warning, "health",
                   "a check has changed",
                   {{"check", one.name},
                    {"from", name(before[i].result)},
                    {"to", name(one.result)},
                    {"reason", one.message}});
    }
}

} // namespace cv

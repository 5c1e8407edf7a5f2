#pragma once
#include "base/clock.hpp"
#include "config/settings.hpp"
#include "cv_health/proxy_probe.hpp"
#include "health/checks.hpp"
#include "http/client.hpp"
#include "process/instance.hpp"

#include <boost/asio/awaitable.hpp>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cv {

/// A listener of an instance, and what came of asking it.
struct listener_observation
{
    std::string url;
    http::probe_answer answer;
    std::chrono::microseconds took{};

    /// It has told its health, good or bad: one of ours is there and answers.
    bool answers() const { return answer.status == 200 || answer.status == 503; }
};

/// An instance of the service as the sidecar sees it.
struct instance_observation
{
    std::string name;
    instance_files files;
    bool alive = false;
    std::optional<health::scoreboard_file> board; ///< nothing when it could not be read
    std::string fault;                            ///< why
    std::uint64_t heartbeat = 0;                  ///< of its arbiter, and when it last was another one
    monotonic::time_point moved = monotonic::now();
    std::vector<listener_observation> listeners;

    /// It should answer: it lives, serves, and is not about to end.
    bool should_answer() const;
};

/// A check that has changed its state.
struct state_change
{
    std::chrono::system_clock::time_point time;
    std::string check;
    health::state from;
    health::state to;
    std::string reason;          ///< the check's message
    std::chrono::seconds lasted; ///< how long it had been `from`
};

/// Looks after all instances in CV_RUN_DIR: reads their scoreboards, asks their real listeners and nginx, and
/// remembers what has changed. Not thread-safe.
class observer
{
public:
    explicit observer(const settings& config);

    /// Observes again and again; never ends by itself.
    boost::asio::awaitable<void> run();

    /// Whether there has been a first round.
    bool has_observed() const { return has_observed_; }
    const std::vector<instance_observation>& instances() const { return instances_; }
    const std::vector<health::check>& checks() const { return checks_; }
    const std::deque<state_change>& changes() const { return changes_; } ///< newest first
    /// What must be well before requests are sent here, each with why it is not (empty when it is).
    struct condition
    {
        std::string_view name;
        std::string fault;
    };
    std::vector<condition> readiness() const;
    bool is_ready() const;
    /// Whether an instance has ever been past its start.
    bool has_started() const { return has_started_; }
    /// When this observer was made.
    std::chrono::system_clock::time_point started() const { return started_; }
    const std::optional<certificate_time>& certificate_end() const { return certificate_end_; }

    const health::check* find(std::string_view name) const;

private:
    std::string why_no_instance() const;
    static boost::asio::awaitable<void> ask_listeners(std::vector<instance_observation>& instances);
    boost::asio::awaitable<void> watch_proxy();
    std::vector<instance_observation> find_all();
    void watch_arbiter(instance_observation& one) const;
    void make_checks();
    health::check check_certificate();
    void note_changes(const std::vector<health::check>& before);

    const settings& config_;
    std::vector<instance_observation> instances_;
    std::vector<health::check> checks_;
    std::deque<state_change> changes_;
    std::vector<monotonic::time_point> since_; ///< of each check's state
    std::optional<proxy_answer> proxy_;
    std::optional<certificate_time> certificate_end_;
    std::string certificate_source_;
    bool has_observed_ = false;
    bool has_started_ = false;
    std::chrono::system_clock::time_point started_ = std::chrono::system_clock::now();
};

} // namespace cv

#include "cv_health/checks.hpp"

#include <boost/json.hpp>

namespace cv {
namespace {

using boost::json::array;
using boost::json::object;
using health::check;
using health::state;

/// A check as an instance's own report has it; nothing when it is not there.
std::optional<check> read_check(const object& report, std::string_view name)
{
    const auto* const checks = report.if_contains("checks");
    const auto* const all = checks ? checks->if_object() : nullptr;
    const auto* const found = all ? all->if_contains(name) : nullptr;
    if (!found || !found->is_object())
        return std::nullopt;
    check result;
    result.name = name;
    result.figures = found->get_object();
    if (const auto* const word = result.figures.if_contains("status"); word && word->is_string())
        result.result = word->get_string() == "ok"     ? state::ok
                        : word->get_string() == "warn" ? state::warn
                                                       : state::error;
    if (const auto* const text = result.figures.if_contains("message"); text && text->is_string())
        result.message = std::string(text->get_string());
    result.figures.erase("status");
    result.figures.erase("message");
    return result;
}

} // namespace

std::vector<check> check_served(const std::vector<instance_observation>& instances)
{
    std::vector<check> checks;
    for (const std::string name : {"cv_data", "database", "cache"}) {
        check result{name, state::ok, {}, {}};
        bool told = false;
        for (const auto& one : instances)
            for (const auto& listener : one.listeners) {
                boost::json::error_code fault;
                const auto body = boost::json::parse(listener.answer.body, fault);
                auto part = fault || !body.is_object() ? std::nullopt : read_check(body.get_object(), name);
                if (!part)
                    continue;
                if (instances.size() == 1) {
                    result = std::move(*part);
                } else {
                    if (!part->message.empty())
                        result.add(part->result, one.name + ": " + part->message);
                    result.figures[one.name] = std::move(part->figures);
                }
                told = true;
                break;
            }
        if (!told)
            result.add(name == "cv_data" ? state::error : state::warn,
                       "unknown, because no instance of the service answers: see query and workers");
        checks.push_back(std::move(result));
    }
    return checks;
}

check check_query(const std::vector<instance_observation>& instances)
{
    check result{"query", state::ok, {}, {}};
    array listeners;
    for (const auto& one : instances)
        for (const auto& listener : one.listeners) {
            const auto& answer = listener.answer;
            object figures{
                {"instance", one.name},
                {"url", listener.url},
                {"status", answer.status},
                {"milliseconds", std::chrono::duration<double, std::milli>(listener.took).count()}};
            if (answer.status == 0)
                result.add(state::error,
                           listener.url + " does not answer: " + answer.fault +
                               "; clients get nothing either: see workers, then start it again");
            else if (!listener.answers())
                result.add(state::error, listener.url + " answers " + std::to_string(answer.status) +
                                             " for its health: something else listens there");
            listeners.push_back(std::move(figures));
        }
    if (listeners.empty())
        result.add(state::error, "no instance of the service listens: see workers");
    result.figures["listeners"] = std::move(listeners);
    return result;
}

check check_proxy(const settings& config, const std::optional<proxy_answer>& proxy)
{
    check result{"proxy", state::ok, {}, {}};
    if (config.proxy_url.empty()) {
        result.message = "not configured; PROXY_URL says where nginx is";
        return result;
    }
    result.figures["url"] = config.proxy_url;
    if (!proxy) {
        result.message = "not asked yet";
        return result;
    }
    result.figures["answered"] = proxy->status; // 0: nothing
    constexpr unsigned own_unhealthy = 503;
    if (proxy->status == 0)
        result.add(state::error, "nginx does not answer at " + config.proxy_url + ": " + proxy->fault);
    else if (proxy->status >= 500 && proxy->status != own_unhealthy)
        result.add(state::error, "nginx answers " + std::to_string(proxy->status) +
                                     ": it does not reach the service, see its error log");
    else if (proxy->status >= 300 && proxy->status != own_unhealthy)
        result.add(state::warn, "nginx answers " + std::to_string(proxy->status) + " for " + health_path +
                                    ": its configuration does not lead to the service");
    return result;
}

} // namespace cv

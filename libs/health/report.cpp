#include "health/report.hpp"

#include "base/clock.hpp"

namespace cv::health {
namespace {

constexpr const char* status_names[] = {"healthy", "degraded", "unhealthy"};

} // namespace

std::string_view name(state value)
{
    constexpr std::string_view names[] = {"ok", "warn", "error"};
    return names[static_cast<int>(value)];
}

report make_report(const std::vector<check>& checks, const std::string& version,
                   std::chrono::system_clock::time_point now)
{
    report result;
    boost::json::object described;
    for (const auto& check : checks) {
        boost::json::object entry{{"status", name(check.result)}};
        if (!check.message.empty())
            entry["message"] = check.message;
        for (const auto& figure : check.figures)
            entry.emplace(figure.key(), figure.value()); // which leaves status and message alone
        described[check.name] = std::move(entry);
        result.worst = std::max(result.worst, check.result);
    }
    result.body =
        boost::json::serialize(boost::json::object{{"status", status_names[static_cast<int>(result.worst)]},
                                                   {"version", version},
                                                   {"timestamp", timestamp(now)},
                                                   {"checks", std::move(described)}});
    return result;
}

} // namespace cv::health

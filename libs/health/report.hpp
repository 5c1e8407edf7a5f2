#pragma once
#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

/// The health report of the API contract. Pure functions; not for the hot path.
namespace cv::health {

enum class state
{
    ok,
    warn,
    error
};

/// One check: `message` where it is not plain ok, `figures` of its own.
struct check
{
    std::string name;
    state result = state::ok;
    std::string message;
    boost::json::object figures;

    /// Makes it at least that bad, and adds why.
    void add(state at_least, const std::string& why)
    {
        result = std::max(result, at_least);
        message += (message.empty() ? "" : "; ") + why;
    }
};

/// `ok`, `warn`, `error`.
std::string_view name(state value);

struct report
{
    state worst = state::ok; ///< of all checks
    std::string body;        ///< JSON
    bool healthy() const { return worst != state::error; }
};

/// All ok: `healthy`; some warn: `degraded`; any error: `unhealthy`.
report make_report(const std::vector<check>& checks, const std::string& version,
                   std::chrono::system_clock::time_point now);

} // namespace cv::health

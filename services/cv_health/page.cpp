#include "cv_health/page.hpp"

#include "base/clock.hpp"

#include <algorithm>

namespace cv {

const std::string_view page_style = R"(
:root{color-scheme:light dark;--ok:#1a7f37;--warn:#9a6700;--error:#cf222e;--line:#8884}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}
.status{display:inline-block;padding:.1rem .6rem;border-radius:1rem;color:#fff;font-weight:600}
.ok{background:var(--ok)}.warn{background:var(--warn)}.error{background:var(--error)}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.35rem .6rem .35rem 0;border-bottom:1px solid var(--line);vertical-align:top}
td.number{font-variant-numeric:tabular-nums;white-space:nowrap}
footer{margin-top:2rem;font-size:.875rem;opacity:.8}
@media(prefers-color-scheme:dark){:root{--ok:#238636;--warn:#9e6a03;--error:#da3633}}
)";

namespace {

using health::state;

std::string escaped(std::string_view text)
{
    std::string out;
    for (const char c : text) {
        if (c == '<')
            out += "&lt;";
        else if (c == '>')
            out += "&gt;";
        else if (c == '&')
            out += "&amp;";
        else if (c == '"')
            out += "&quot;";
        else
            out += c;
    }
    return out;
}

std::string badge(state value, std::string_view word)
{
    return "<span class=\"status " + std::string(name(value)) + "\">" + std::string(word) + "</span>";
}

/// `3 d 4 h`, `12 min 5 s`: the two largest units.
std::string duration(std::chrono::seconds length)
{
    struct unit
    {
        std::int64_t seconds;
        const char* name;
    };
    constexpr unit units[] = {{86400, " d"}, {3600, " h"}, {60, " min"}, {1, " s"}};
    auto left = std::max<std::int64_t>(length.count(), 0);
    std::string text;
    int parts = 0;
    for (const auto& [size, word] : units) {
        if (left < size && (size > 1 || parts > 0))
            continue;
        if (parts++ == 2)
            break;
        text += (text.empty() ? "" : " ") + std::to_string(left / size) + word;
        left %= size;
    }
    return text;
}

std::chrono::seconds since(std::uint64_t epoch_seconds)
{
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::system_clock::now().time_since_epoch()) -
           std::chrono::seconds(epoch_seconds);
}

std::string cell(std::string_view text, bool number = false)
{
    return (number ? "<td class=\"number\">" : "<td>") + escaped(text) + "</td>";
}

std::string table(std::string_view head, const std::string& rows)
{
    return "<div class=\"scroll\"><table><thead><tr>" + std::string(head) + "</tr></thead><tbody>" + rows +
           "</tbody></table></div>\n";
}

std::string write_checks(const observer& seen)
{
    std::string rows;
    for (const auto& one : seen.checks())
        rows += "<tr><th scope=\"row\">" + escaped(one.name) + "</th><td>" +
                badge(one.result, name(one.result)) + "</td>" + cell(one.message) + "</tr>";
    return "<h2>Checks</h2>\n" +
           table(
               "<th scope=\"col\">check</th><th scope=\"col\">status</th><th scope=\"col\">what it says</th>",
               rows);
}

std::string write_workers(const health::scoreboard& board)
{
    std::string rows;
    for (const auto& slot : health::used_slots(board)) {
        const auto pid = slot.pid.load(std::memory_order_relaxed);
        if (pid == 0)
            continue;
        rows += "<tr>" + cell(std::to_string(pid), true) +
                cell(name(slot.state.load(std::memory_order_relaxed))) +
                cell(std::to_string(slot.answered.get()), true) +
                cell(std::to_string(slot.counters.open.get()), true) +
                cell(duration(since(slot.started.get())), true) + "</tr>";
    }
    return table("<th scope=\"col\">pid</th><th scope=\"col\">worker</th><th scope=\"col\">answered</th><th "
                 "scope=\"col\">connections</th><th scope=\"col\">up</th>",
                 rows);
}

std::string write_instance(const instance_observation& one)
{
    std::string text = "<h2>Instance " + escaped(one.name) + "</h2>\n";
    if (!one.board)
        return text + "<p>" + escaped(one.fault) + "</p>\n";
    const auto& board = **one.board;
    text += "<p>" + std::string(one.alive ? name(board.state.load(std::memory_order_relaxed)) : "gone") +
            (board.drained.load(std::memory_order_relaxed) ? ", drained" : "") + ", version " +
            escaped(board.program_version.get()) + ", up " + duration(since(board.started.get())) +
            ", arbiter " + std::to_string(board.arbiter.load(std::memory_order_relaxed)) + ", " +
            std::to_string(board.load.documents.get()) + " CVs of " +
            std::to_string(board.load.persons.get()) + " persons in generation " +
            std::to_string(board.load.generation.get()) + "</p>\n";
    return text + write_workers(board);
}

std::string write_changes(const observer& seen)
{
    constexpr std::size_t most = 20;
    if (seen.changes().empty())
        return "<h2>Last changes</h2>\n<p>None since the sidecar was started.</p>\n";
    std::string rows;
    for (std::size_t i = 0; i < std::min(most, seen.changes().size()); ++i) {
        const auto& change = seen.changes()[i];
        rows += "<tr>" + cell(timestamp(change.time), true) + cell(change.check) + "<td>" +
                badge(change.to, name(change.to)) + "</td>" + cell(change.reason) +
                cell(std::string(name(change.from)) + " for " + duration(change.lasted), true) + "</tr>";
    }
    return "<h2>Last changes</h2>\n" + table("<th scope=\"col\">when</th><th scope=\"col\">check</th><th "
                                             "scope=\"col\">became</th><th scope=\"col\">reason</th><th "
                                             "scope=\"col\">before</th>",
                                             rows);
}

} // namespace

std::string write_page(const observer& seen)
{
    auto worst = state::ok;
    for (const auto& one : seen.checks())
        worst = std::max(worst, one.result);
    constexpr std::string_view words[] = {"healthy", "degraded", "unhealthy"};
    const auto word = seen.has_observed() ? words[static_cast<int>(worst)] : std::string_view("starting");
    std::string text = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                       "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
                       "<meta http-equiv=\"refresh\" content=\"5\"><title>" +
                       std::string(word) + " – cv-backend</title><style>" + std::string(page_style) +
                       "</style></head><body><main>\n<h1>cv-backend is " +
                       badge(seen.has_observed() ? worst : state::warn, word) + "</h1>\n";
    text += "<p>" + std::string(seen.is_ready() ? "Ready for requests." : "Not ready for requests.") +
            "</p>\n" + write_checks(seen);
    for (const auto& one : seen.instances())
        text += write_instance(one);
    text += write_changes(seen);
    text += "</main><footer>cv-health " CV_VERSION ", up " +
            duration(std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now() -
                                                                      seen.started())) +
            "; as of " + timestamp(std::chrono::system_clock::now()) +
            ", refreshed every 5 seconds. As data: <a href=\"health\">health</a>, <a "
            "href=\"metrics\">metrics</a>, <a href=\"events\">events</a>, <a href=\"config\">config</a>."
            "</footer></body></html>\n";
    return text;
}

} // namespace cv

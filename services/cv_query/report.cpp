#include "cv_query/report.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <span>

namespace cv {
namespace {

using boost::json::array;
using boost::json::object;

/// The first of them; a report that names a hundred thousand files helps nobody.
constexpr std::size_t most_named = 20;

/// A file may be named, and quoted, at any length.
std::string_view cut(std::string_view text)
{
    constexpr std::size_t longest = 300;
    return text.substr(0, utf8_prefix(text.substr(0, longest)));
}

array as_json(const std::vector<named_reason>& rows)
{
    array list;
    for (const auto& [file, reason] : std::span(rows).first(std::min(rows.size(), most_named)))
        list.push_back(object{{"file", cut(file)}, {"reason", cut(reason)}});
    return list;
}

health::check check_cv_data(const snapshot* generation)
{
    health::check check;
    check.name = "cv_data";
    if (!generation || generation->state().documents == 0) {
        check.add(health::state::error,
                  "no CV can be served: put CV files into the folder cvs of CV_DATA_DIR");
    }
    if (!generation)
        return check;
    const auto& state = generation->state();
    object languages;
    for (std::size_t i = 0; i < language_count; ++i)
        languages[language_names[i]] = state.by_language[i];
    const auto refused = generation->refused();
    const auto mismatched = generation->mismatched();
    const auto shadowed = generation->shadowed();
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    check.figures = {
        {"cvs", state.documents},
        {"persons", state.persons},
        {"languages", std::move(languages)},
        {"generation", state.generation},
        {"age_seconds", std::chrono::duration_cast<std::chrono::seconds>(now).count() - state.loaded_at},
        {"rejected_files", refused.size()},
        {"rejected", as_json(refused)},
        {"shadowed", as_json(shadowed)},
        {"locked_files",
         object{{"list", "cvs/SHA256SUMS"}, {"listed", state.listed}, {"mismatched", as_json(mismatched)}}}};
    const auto warn = [&check](const std::vector<named_reason>& rows, std::string what,
                               const std::string& advice) {
        if (rows.empty())
            return;
        for (const auto& row : std::span(rows).first(std::min(rows.size(), most_named)))
            what += " " + std::string(cut(row.name));
        if (rows.size() > most_named)
            what += " and " + std::to_string(rows.size() - most_named) + " more";
        check.add(health::state::warn, what + " (" + advice + ")");
    };
    warn(refused,
         "refused:", "mend what the reasons here name; cv-query check FILE holds a file against the format");
    warn(mismatched, "not as SHA256SUMS says:",
         "restore the files, or renew the list with sha256sum if the change was meant");
    warn(shadowed, "not served, because the same name without _en is there:", "remove one of the two");
    return check;
}

} // namespace

health::report make_query_report(const snapshot* generation, const worker_surroundings& around,
                                 const std::string& version)
{
    std::vector<health::check> checks{
        {"database", health::state::ok, "not configured; CVs come from files", {}},
        {"cache", health::state::ok, "not configured; answers come from the mapped catalogue", {}},
        check_cv_data(generation)};
    if (around.board) {
        health::add_load(checks.back(), around.board->load);
        const health::observed_instance own{around.instance, true, around.board};
        checks.push_back(health::check_workers({&own, 1}));
        checks.push_back(health::check_disk({around.state_dir}));
    }
    return health::make_report(checks, version, std::chrono::system_clock::now());
}

std::string why_not_ready(const snapshot* generation, const worker_surroundings& around)
{
    if (!generation || generation->state().documents == 0)
        return "no CV can be served: see cv_data in /api/v1/health/";
    return around.board ? health::why_not_ready(*around.board) : std::string();
}

} // namespace cv

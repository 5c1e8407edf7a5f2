#include "cv_query/report.hpp"

namespace cv {
namespace {

using boost::json::array;
using boost::json::object;

array as_json(const std::vector<named_reason>& rows)
{
    array list;
    for (const auto& [file, reason] : rows)
        list.push_back(object{{"file", file}, {"reason", reason}});
    return list;
}

health::check check_cv_data(const snapshot* generation)
{
    health::check check;
    check.name = "cv_data";
    if (!generation || generation->state().documents == 0) {
        check.result = health::state::error;
        check.message =
            "no CV can be served: put CV files into the folder cvs of CV_DATA_DIR and run cv-query load";
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
        {"rejected", as_json(refused)},
        {"shadowed", as_json(shadowed)},
        {"locked_files",
         object{{"list", "cvs/SHA256SUMS"}, {"listed", state.listed}, {"mismatched", as_json(mismatched)}}}};
    const auto warn = [&check](const std::vector<named_reason>& rows, const std::string& what) {
        if (rows.empty())
            return;
        if (check.result == health::state::ok)
            check.result = health::state::warn;
        check.message += (check.message.empty() ? "" : "; ") + what;
        for (const auto& row : rows)
            check.message += " " + row.name;
    };
    warn(refused, "refused:");
    warn(mismatched, "not as SHA256SUMS says:");
    warn(shadowed, "not served, because the same name without _en is there:");
    return check;
}

} // namespace

health::report make_query_report(const snapshot* generation, const std::string& version)
{
    health::check database{"database", health::state::ok, "not configured; CVs come from files", {}};
    health::check cache{
        "cache", health::state::ok, "not configured; answers come from the mapped catalogue", {}};
    return health::make_report({database, cache, check_cv_data(generation)}, version,
                               std::chrono::system_clock::now());
}

} // namespace cv

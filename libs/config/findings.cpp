#include "config/findings.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace cv {
namespace {

constexpr std::size_t most_shown = 6; ///< details of one finding, for people

std::string_view name_of(finding_level level)
{
    return level == finding_level::error ? "error" : level == finding_level::warning ? "warning" : "info";
}

/// In the order of the table, which groups and numbers as people read.
constexpr std::string_view groups[] = {
    finding_groups::settings, finding_groups::files,    finding_groups::certificate, finding_groups::tls,
    finding_groups::headers,  finding_groups::requests, finding_groups::pages};

void append_member(std::string& out, std::string_view name, std::string_view value)
{
    append_json_string(out, name);
    out += ':';
    append_json_string(out, value);
    out += ',';
}

} // namespace

void findings::add(finding_id id, const std::string& detail)
{
    auto& list = details_[id.index()];
    auto shown = printable(detail);
    if (std::find(list.begin(), list.end(), shown) == list.end())
        list.push_back(std::move(shown));
}

bool findings::silence(std::string_view id, std::string reason)
{
    const auto row = std::find_if(finding_table.begin(), finding_table.end(),
                                  [id](const finding_kind& kind) { return kind.id == id; });
    if (row == finding_table.end())
        return false;
    silenced_[static_cast<std::size_t>(row - finding_table.begin())] = std::move(reason);
    return true;
}

const std::string* findings::reason(std::size_t index) const
{
    const auto found = silenced_.find(index);
    return found == silenced_.end() ? nullptr : &found->second;
}

bool findings::failed() const
{
    return std::any_of(details_.begin(), details_.end(), [this](const auto& entry) {
        return finding_table.at(entry.first).level != finding_level::info && !reason(entry.first);
    });
}

std::map<std::string_view, std::size_t> findings::counts() const
{
    std::map<std::string_view, std::size_t> counts{
        {"error", 0}, {"warning", 0}, {"info", 0}, {"silenced", 0}};
    for (const auto& entry : details_)
        ++counts[reason(entry.first) ? "silenced" : name_of(finding_table.at(entry.first).level)];
    return counts;
}

std::string findings::text() const
{
    std::string out;
    for (const auto group : groups) {
        std::vector<std::size_t> mine;
        for (const auto& entry : details_)
            if (finding_table.at(entry.first).group == group && !reason(entry.first))
                mine.push_back(entry.first);
        if (mine.empty())
            continue;
        std::stable_sort(mine.begin(), mine.end(), [](std::size_t a, std::size_t b) {
            return finding_table.at(a).level > finding_table.at(b).level;
        });
        out.append(group).append("\n");
        for (const auto index : mine) {
            const auto& kind = finding_table.at(index);
            std::string level(name_of(kind.level));
            level.resize(9, ' ');
            out.append("  ").append(level).append(kind.id).append("  ").append(kind.what).append("\n");
            const auto& details = details_.at(index);
            for (std::size_t i = 0; i < std::min(details.size(), most_shown); ++i)
                out.append("           - ").append(details[i]).append("\n");
            if (details.size() > most_shown)
                out += "           - and " + std::to_string(details.size() - most_shown) + " more\n";
            out.append("           why:  ").append(kind.why).append("\n");
            out.append("           mend: ").append(kind.mend).append("\n");
        }
        out += '\n';
    }
    std::string silenced;
    for (const auto& entry : details_)
        if (const auto* because = reason(entry.first))
            silenced.append("  ")
                .append(finding_table.at(entry.first).id)
                .append("  ")
                .append(finding_table.at(entry.first).what) += " (" + printable(*because) + ")\n";
    if (!silenced.empty())
        out += "silenced\n" + silenced + "\n";
    if (details_.empty())
        return "nothing found\n";
    auto sums = counts();
    for (const auto level : {"error", "warning", "info", "silenced"}) {
        const bool plural = sums[level] != 1 && level[0] != 'i' && level[0] != 's';
        out +=
            (level[0] == 'e' ? "" : ", ") + std::to_string(sums[level]) + " " + level + (plural ? "s" : "");
    }
    return out + "\n";
}

std::string findings::json(std::string_view url) const
{
    std::string out = "{\"version\":1,";
    if (!url.empty())
        append_member(out, "url", url);
    out.append("\"failed\":").append(failed() ? "true" : "false").append(",\"counts\":{");
    for (const auto& [level, count] : counts()) {
        append_json_string(out, level);
        out += ':' + std::to_string(count) + ',';
    }
    out.back() = '}';
    out += ",\"findings\":[";
    for (const auto& [index, details] : details_) {
        const auto& kind = finding_table.at(index);
        out += out.back() == '[' ? "{" : ",{";
        append_member(out, "id", kind.id);
        append_member(out, "level", name_of(kind.level));
        append_member(out, "group", kind.group);
        append_member(out, "what", kind.what);
        append_member(out, "why", kind.why);
        append_member(out, "mend", kind.mend);
        if (const auto* because = reason(index))
            append_member(out, "silenced", *because);
        out += "\"details\":[";
        for (const auto& detail : details) {
            append_json_string(out, detail);
            out += ',';
        }
        out.back() = ']';
        out += '}';
    }
    return out + "]}\n";
}

} // namespace cv

#include "http/conditional.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <limits>

namespace cv::http {

bool matches(std::string_view if_none_match, std::string_view etag)
{
    auto rest = trim(if_none_match);
    if (rest == "*")
        return true;
    const auto skip_commas = [&rest] {
        rest = rest.substr(std::min(rest.find_first_not_of(", \t"), rest.size()));
    };
    for (skip_commas(); !rest.empty(); skip_commas()) {
        if (rest.starts_with("W/"))
            rest.remove_prefix(2);
        const auto end = rest.starts_with('"') ? rest.find('"', 1) : rest.npos;
        if (end == rest.npos)
            return false;
        if (rest.substr(0, end + 1) == etag)
            return true;
        rest = trim(rest.substr(end + 1));
        if (!rest.empty() && !rest.starts_with(','))
            return false;
    }
    return false;
}

namespace {

/// A position of decimal digits; one too large for 64 bits lies behind the end of every body all the same.
std::optional<std::uint64_t> read_position(std::string_view text)
{
    if (text.empty() || text.find_first_not_of("0123456789") != text.npos)
        return std::nullopt;
    return parse_unsigned<std::uint64_t>(text).value_or(std::numeric_limits<std::uint64_t>::max());
}

} // namespace

range_answer read_range(std::string_view range, std::uint64_t size, byte_range& out)
{
    constexpr std::string_view unit = "bytes=";
    out = {0, size};
    range = trim(range);
    if (range.size() < unit.size() || !iequals(range.substr(0, unit.size()), unit))
        return range_answer::whole;
    range = trim(range.substr(unit.size()));
    const auto dash = range.find('-');
    if (dash == range.npos || range.find(',') != range.npos)
        return range_answer::whole;
    const auto first = read_position(range.substr(0, dash));
    const auto last = read_position(range.substr(dash + 1));
    const bool open = dash + 1 == range.size();
    if (dash == 0) { // the last N bytes
        if (!last)
            return range_answer::whole;
        if (*last == 0 || size == 0)
            return range_answer::unsatisfiable;
        out.size = std::min(*last, size);
        out.begin = size - out.size;
        return range_answer::partial;
    }
    if (!first || (!open && !last) || (last && *last < *first))
        return range_answer::whole;
    if (*first >= size)
        return range_answer::unsatisfiable;
    out.begin = *first;
    out.size = (open || *last >= size ? size - 1 : *last) - *first + 1;
    return range_answer::partial;
}

} // namespace cv::http

#include "config/values.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <set>

namespace cv::values {
namespace {

constexpr std::string_view name_characters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

bool is_host(std::string_view text)
{
    if (text.size() > 2 && text.front() == '[' && text.back() == ']')
        return parse_ip(text.substr(1, text.size() - 2)).has_value();
    return !text.empty() && text.size() <= 253 && text.find_first_not_of(name_characters) == text.npos;
}

bool is_origin(std::string_view text)
{
    const auto scheme = text.find("://");
    if (scheme == text.npos || (text.substr(0, scheme) != "http" && text.substr(0, scheme) != "https"))
        return false;
    auto host = text.substr(scheme + 3);
    if (const auto colon = host.rfind(':'); colon != host.npos && !host.ends_with(']')) {
        if (!parse_unsigned<std::uint16_t>(host.substr(colon + 1)))
            return false;
        host = host.substr(0, colon);
    }
    // A browser sends the host in lower case, and the comparison is exact (RFC 6454).
    return is_host(host) && to_lower(host) == host;
}

template <class Accept>
std::optional<std::vector<std::string>> list_of(std::string_view text, Accept accept)
{
    std::vector<std::string> list;
    for (const auto part : split_list(text)) {
        if (!accept(part))
            return std::nullopt;
        list.emplace_back(part);
    }
    return list;
}

} // namespace

std::optional<bool> boolean(std::string_view text)
{
    for (const auto yes : {"true", "yes", "on", "1"})
        if (iequals(text, yes))
            return true;
    for (const auto no : {"false", "no", "off", "0"})
        if (iequals(text, no))
            return false;
    return std::nullopt;
}

std::optional<std::uint64_t> number(std::string_view text, std::uint64_t low, std::uint64_t high)
{
    const auto value = parse_unsigned<std::uint64_t>(text);
    return value && *value >= low && *value <= high ? value : std::nullopt;
}

std::optional<std::vector<std::string>> hosts(std::string_view text)
{
    if (!text.empty() && split_list(text).empty())
        return std::nullopt; // `,` would let nobody in
    return list_of(text, [](std::string_view part) {
        return part == "*" || is_host(part.starts_with('.') ? part.substr(1) : part);
    });
}

std::optional<std::vector<std::string>> origins(std::string_view text)
{
    return list_of(text, is_origin);
}

std::optional<std::vector<endpoint>> endpoints(std::string_view text)
{
    std::vector<endpoint> list;
    for (const auto part : split_list(text)) {
        auto where = parse_endpoint(part);
        if (!where)
            return std::nullopt;
        list.push_back(std::move(*where));
    }
    return list.empty() ? std::nullopt : std::optional(std::move(list));
}

std::optional<rate_limit> rate(std::string_view text)
{
    if (text == "off")
        return rate_limit{};
    const auto slash = text.find('/');
    if (slash == text.npos)
        return std::nullopt;
    const auto count = number(text.substr(0, slash), 1, 1'000'000);
    const auto unit = text.substr(slash + 1);
    for (const auto& [name, seconds] :
         {std::pair{"s", 1}, std::pair{"m", 60}, std::pair{"h", 3600}, std::pair{"d", 86400}})
        if (count && unit == name &&
            *count * 60 >= static_cast<std::uint64_t>(seconds)) // nginx counts no slower
            return rate_limit{static_cast<std::uint32_t>(*count), std::chrono::seconds(seconds)};
    return std::nullopt;
}

std::optional<header_match> header(std::string_view text)
{
    const auto colon = text.find(':');
    if (colon == text.npos)
        return std::nullopt;
    const auto name = trim(text.substr(0, colon));
    const auto value = trim(text.substr(colon + 1));
    if (name.empty() || value.empty() || has_control_character(value) ||
        name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") !=
            name.npos)
        return std::nullopt;
    return header_match{std::string(name), std::string(value)};
}

bool is_secret_key(std::string_view text)
{
    const auto lower = to_lower(text);
    const auto holds = [&lower](std::string_view word) { return lower.find(word) != lower.npos; };
    return text.size() >= 50 && std::set<char>(text.begin(), text.end()).size() >= 5 && is_utf8(text) &&
           !has_control_character(text) && !holds("insecure") && !holds("example") && !holds("changeme") &&
           !holds("change-me") && text != development_secret_key;
}

bool is_upstream(std::string_view text)
{
    const auto places = endpoints(text);
    if (places)
        return std::all_of(places->begin(), places->end(), [](const endpoint& one) {
            return one.is_unix() ? one.path.find_first_of(" ;{}\"'\\$") == std::string::npos : one.port != 0;
        });
    const auto colon = text.rfind(':');
    return colon != text.npos && is_host(text.substr(0, colon)) && number(text.substr(colon + 1), 1, 65535);
}

bool is_path(std::string_view text)
{
    return !text.empty() && text.size() < 4096 && !has_control_character(text);
}

bool is_process_name(std::string_view text)
{
    return !text.empty() && text.size() <= 32 && text.find_first_not_of(name_characters) == text.npos;
}

bool is_proxy_url(std::string_view text)
{
    const auto place = parse_endpoint(text);
    return (place && place->is_unix()) || is_url(text, {"http://", "https://"});
}

bool is_url(std::string_view text, std::initializer_list<std::string_view> schemes)
{
    return std::any_of(schemes.begin(), schemes.end(),
                       [text](std::string_view scheme) {
                           return text.starts_with(scheme) && text.size() > scheme.size();
                       }) &&
           text.find_first_of(" \"<>") == text.npos && !has_control_character(text);
}

} // namespace cv::values

#include "http/host.hpp"

#include "base/address.hpp"
#include "base/text.hpp"

#include <algorithm>

namespace cv::http {
namespace {

constexpr std::size_t longest_name = 253;

bool is_name(std::string_view text)
{
    return !text.empty() && text.size() <= longest_name && text.front() != '.' &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '.' || c == '_';
           });
}

} // namespace

std::optional<host_parts> split_host(std::string_view text)
{
    host_parts parts;
    const auto bracket = text.starts_with('[') ? text.find(']') : text.npos;
    const auto colon = text.find(':', bracket == text.npos ? 0 : bracket);
    parts.name = text.substr(0, colon);
    if (colon != text.npos) {
        parts.port = text.substr(colon + 1);
        // An empty port is valid (RFC 3986 section 3.2.3).
        if (!parts.port.empty() && !parse_unsigned<std::uint16_t>(parts.port))
            return std::nullopt;
    }
    if (bracket != text.npos) {
        const auto address = text.substr(1, bracket - 1);
        if (parts.name.size() != bracket + 1 || address.find(':') == address.npos || !parse_ip(address))
            return std::nullopt;
        return parts;
    }
    if (parts.name.ends_with('.'))
        parts.name.remove_suffix(1);
    return is_name(parts.name) ? std::optional(parts) : std::nullopt;
}

bool allowed_hosts::contains(std::string_view name) const
{
    return std::any_of(patterns_.begin(), patterns_.end(), [name](std::string_view pattern) {
        if (pattern == "*" || iequals(pattern, name))
            return true;
        if (!pattern.starts_with('.') || name.size() + 1 < pattern.size())
            return false;
        if (iequals(pattern.substr(1), name))
            return true;
        return name.size() > pattern.size() && iequals(pattern, name.substr(name.size() - pattern.size()));
    });
}

} // namespace cv::http

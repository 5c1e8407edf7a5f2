#pragma once
#include "config/settings.hpp"

#include <optional>
#include <string_view>

/// Readers of single values; each gives nothing for a text that is not allowed.
namespace cv::values {

std::optional<bool> boolean(std::string_view text); ///< true/false, yes/no, on/off, 1/0 in any case
std::optional<std::uint64_t> number(std::string_view text, std::uint64_t low, std::uint64_t high);
std::optional<std::vector<std::string>> hosts(std::string_view text);
std::optional<std::vector<std::string>> origins(std::string_view text);
std::optional<std::vector<endpoint>> endpoints(std::string_view text);
std::optional<rate_limit> rate(std::string_view text);
std::optional<header_match> header(std::string_view text);
bool is_secret_key(std::string_view text); ///< long, varied and no example
bool is_upstream(std::string_view text);   ///< what nginx may ask: endpoints, or one name with a port
bool is_path(std::string_view text);
bool is_process_name(std::string_view text);
bool is_proxy_url(std::string_view text); ///< http://, https:// or unix:/path
bool is_url(std::string_view text, std::initializer_list<std::string_view> schemes);

} // namespace cv::values

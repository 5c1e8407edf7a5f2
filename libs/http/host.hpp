#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cv::http {

/// Host and port of an authority (RFC 3986 section 3.2, without userinfo). Views into it.
struct host_parts
{
    std::string_view name; ///< with the brackets of an IPv6 address, without a trailing dot
    std::string_view port; ///< empty when none is given
};

/// Splits `text`; nothing when it is not `name`, `address` or `[address]`, each with or without `:port`.
/// Pure.
std::optional<host_parts> split_host(std::string_view text);

/// The hosts that a service answers to, as Django's ALLOWED_HOSTS. Thread-safe.
class allowed_hosts
{
public:
    /// `example.com` is that name, `.example.com` that name and its subdomains, `*` every name.
    explicit allowed_hosts(std::vector<std::string> patterns) : patterns_(std::move(patterns)) {}

    /// Whether the host that `split_host` found in a request is one of them; case does not matter.
    bool contains(std::string_view name) const;

private:
    std::vector<std::string> patterns_;
};

} // namespace cv::http

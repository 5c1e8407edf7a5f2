#pragma once
#include "http/request.hpp"
#include "http/response.hpp"
#include "http/target.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace cv::http {

/// Makes an answer from a request: no socket, no waiting, so that a test calls it directly.
using handler = std::function<void(const request&, response&)>;

/// The methods that a route takes unless it says otherwise.
inline constexpr std::string_view read_methods = "GET, HEAD, OPTIONS";

/// A row of the table of routes. In `pattern`, `{name}` stands for one segment; a pattern that ends in `/` is
/// the canonical form of the same path without it.
struct route
{
    std::string_view pattern;
    handler handle;
    bool open_to_any_host = false;           ///< probes: exempt from the host check and the https redirect
    std::string_view methods = read_methods; ///< as in Allow; OPTIONS is answered for all
};

/// Finds routes; the earlier row wins. Thread-safe once made.
class router
{
public:
    explicit router(std::vector<route> table);

    struct match
    {
        const route* found = nullptr;
        std::size_t index = 0; ///< in the table; its size when no route is found
        bool canonical = true; ///< false: the trailing slash is missing
    };

    /// `parameters` receives the segments that stand for `{name}`s.
    match find(const path_segments& path, std::array<std::string_view, most_parameters>& parameters) const;

    const std::vector<route>& table() const { return table_; }

private:
    struct shape
    {
        std::vector<std::string_view> segments; ///< empty for a parameter
        bool trailing_slash = false;
    };
    std::vector<route> table_;
    std::vector<shape> shapes_;
};

} // namespace cv::http

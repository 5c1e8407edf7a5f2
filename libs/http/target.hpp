#pragma once
#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

/// Paths and queries, percent-decoded once. Pure; thread-safe on different buffers.
namespace cv::http {

inline constexpr std::size_t most_segments = 8;

/// A decoded path: `/api/v1/` has the segments `api` and `v1`, and ends in a slash.
struct path_segments
{
    std::array<std::string_view, most_segments> text;
    std::size_t count = 0;
    bool trailing_slash = false;
};

enum class path_fault
{
    none,
    malformed, ///< a broken `%`, or not UTF-8
    trick,     ///< decodes to a dot segment, a separator or a control character: somebody probes
    no_route   ///< empty segments or more of them than any route has
};

/// Splits and decodes `path`, which begins with `/` and is printable ASCII, as read_head leaves it. Views
/// refer to `path` or to `buffer`, which is replaced.
path_fault split_path(std::string_view path, path_segments& out, std::string& buffer);

/// A query parameter that a handler asks for.
struct parameter
{
    std::string_view name;
    std::string_view value = {}; ///< decoded; the first one when there are several
    unsigned count = 0;          ///< how often it is given
};

/// Decodes all of `query` and fills in the wanted parameters; values refer to `buffer`, which is replaced.
/// False when any name or value is malformed, wanted or not.
bool read_parameters(std::string_view query, std::span<parameter> wanted, std::string& buffer);

} // namespace cv::http

#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

/// Preconditions and ranges (RFC 9110 sections 13 and 14). Pure and thread-safe.
namespace cv::http {

/// Whether If-None-Match names `etag` (with its quotes) by weak comparison, or is `*`. What is not a list of
/// entity tags matches nothing.
bool matches(std::string_view if_none_match, std::string_view etag);

/// A part of a body, from its first byte on.
struct byte_range
{
    std::uint64_t begin = 0;
    std::uint64_t size = 0;
};

enum class range_answer
{
    whole,
    partial,
    unsatisfiable
};

/// What to answer to a Range field for a body of `size` bytes. One range is honoured; several, or anything
/// else than byte ranges, read as none, as RFC 9110 section 14.2 allows.
range_answer read_range(std::string_view range, std::uint64_t size, byte_range& out);

} // namespace cv::http

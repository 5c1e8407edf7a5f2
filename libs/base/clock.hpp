#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace cv {

/// The clock for deadlines and durations: it is never set, so moving the wall clock times nothing out.
using monotonic = std::chrono::steady_clock;

/// The wall-clock time `now` as RFC 3339 in UTC with milliseconds: 2026-01-15T10:30:00.123Z. The view is
/// valid until the thread's next call.
std::string_view precise_timestamp(std::chrono::system_clock::time_point now);
inline constexpr std::size_t precise_timestamp_size = 24;

/// RFC 3339 in UTC with whole seconds: 2026-01-15T10:30:00Z.
std::string timestamp(std::chrono::system_clock::time_point now);

/// The value of the `Date` field (IMF-fixdate, RFC 9110 section 5.6.7), made anew once a second.
/// Not thread-safe: each worker has its own. The view is valid until the next call.
class http_date
{
public:
    std::string_view at(std::chrono::system_clock::time_point now);

private:
    std::int64_t second_ = -1;
    char text_[32] = {};
};

} // namespace cv

#include "base/clock.hpp"

#include <cstdio>
#include <ctime>

namespace cv {
namespace {

std::tm utc(std::int64_t seconds)
{
    const auto time = static_cast<std::time_t>(seconds);
    std::tm parts{};
    ::gmtime_r(&time, &parts);
    return parts;
}

std::int64_t since_epoch(std::chrono::system_clock::time_point now)
{
    return std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
}

/// Two digits at `p`.
void put2(char* p, int value)
{
    p[0] = static_cast<char>('0' + value / 10 % 10);
    p[1] = static_cast<char>('0' + value % 10);
}

} // namespace

std::string_view precise_timestamp(std::chrono::system_clock::time_point now)
{
    // The calendar part changes once a second; a log line is written a hundred thousand times in it.
    thread_local std::int64_t second = -1;
    thread_local char text[] = "2026-01-15T10:30:00.000Z";
    const auto milliseconds = since_epoch(now);
    if (milliseconds / 1000 != second) {
        second = milliseconds / 1000;
        const auto t = utc(second);
        put2(text, (t.tm_year + 1900) / 100);
        put2(text + 2, (t.tm_year + 1900) % 100);
        put2(text + 5, t.tm_mon + 1);
        put2(text + 8, t.tm_mday);
        put2(text + 11, t.tm_hour);
        put2(text + 14, t.tm_min);
        put2(text + 17, t.tm_sec);
    }
    const int rest = static_cast<int>(milliseconds % 1000);
    text[20] = static_cast<char>('0' + rest / 100);
    put2(text + 21, rest % 100);
    static_assert(sizeof text - 1 == precise_timestamp_size);
    return {text, precise_timestamp_size};
}

std::string timestamp(std::chrono::system_clock::time_point now)
{
    std::string text(precise_timestamp(now));
    return text.replace(text.size() - 5, 5, "Z");
}

std::string_view http_date::at(std::chrono::system_clock::time_point now)
{
    const auto second = since_epoch(now) / 1000;
    if (second != second_) {
        second_ = second;
        const auto t = utc(second_);
        static constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
        static constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        std::snprintf(text_, sizeof text_, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[t.tm_wday % 7],
                      t.tm_mday % 100, months[t.tm_mon % 12], (t.tm_year + 1900) % 10000, t.tm_hour % 100,
                      t.tm_min % 100, t.tm_sec % 100);
    }
    return {text_, 29};
}

} // namespace cv

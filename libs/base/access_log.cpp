#include "base/access_log.hpp"

#include "base/text.hpp"

#include <unistd.h>

namespace cv {
namespace {

constexpr std::size_t batch = 16 * 1024; // larger ones are slower: they leave the nearer caches
constexpr std::size_t longest_target = 4094;
// Every byte of a target may need six (\u00XX) in a line; the rest of a line is short.
constexpr std::size_t longest_line = 6 * longest_target + 512;

} // namespace

access_log::access_log(const std::string& target, log::format style)
    : file_(target, STDOUT_FILENO), style_(style)
{
    buffer_.reserve(batch + longest_line);
}

void access_log::write(const access_entry& entry)
{
    if (!file_.on())
        return;
    if (buffer_.size() > batch)
        flush();
    char status[8];
    char bytes[24];
    char milliseconds[32];
    const auto text = [](char* buffer, std::size_t size, auto value) {
        return std::string_view(buffer, std::to_chars(buffer, buffer + size, value).ptr);
    };
    const auto whole = static_cast<std::uint64_t>(entry.duration.count());
    auto* end = std::to_chars(milliseconds, milliseconds + 20, whole / 1000).ptr;
    *end++ = '.';
    for (std::uint64_t rest = whole % 1000, unit = 100; unit > 0; rest %= unit, unit /= 10)
        *end++ = static_cast<char>('0' + rest / unit);
    log::append_line(buffer_, style_, entry.time, log::level::info, "access", {},
                     {{"request_id", entry.request_id},
                      {"client", entry.client},
                      {"method", entry.method},
                      {"target", entry.target.substr(0, longest_target)}},
                     {{"status", text(status, sizeof status, entry.status)},
                      {"bytes", text(bytes, sizeof bytes, entry.bytes)},
                      {"ms", {milliseconds, static_cast<std::size_t>(end - milliseconds)}}});
}

void access_log::flush()
{
    if (buffer_.empty())
        return;
    file_.write(buffer_);
    buffer_.clear();
}

} // namespace cv

#include "base/access_log.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <unistd.h>

namespace cv {
namespace {

constexpr std::size_t batch = 16 * 1024; // larger ones are slower: they leave the nearer caches
constexpr std::size_t longest_target = 4094;
// The target, and what else comes from outside: an id of 64 bytes, a method of 32, a client of 17.
constexpr std::size_t longest_line = json_string_room(longest_target) + json_string_room(64 + 32 + 17) + 512;

/// A line in the making, where longest_line is free. Its pieces are put one behind the other without asking
/// for room: each request pays for a line.
class line
{
public:
    explicit line(char* at) : at_(at) {}

    template <std::size_t Size>
    void literal(const char (&text)[Size])
    {
        std::memcpy(at_, text, Size - 1);
        at_ += Size - 1;
    }
    void plain(std::string_view text) { at_ = std::copy_n(text.data(), text.size(), at_); }
    void quoted(std::string_view text) { at_ = write_json_string(at_, text); }
    void value(std::string_view text)
    {
        if (log::is_plain(text))
            plain(text);
        else
            quoted(text);
    }
    void number(std::uint64_t value) { at_ = std::to_chars(at_, at_ + 20, value).ptr; }
    /// With three decimals.
    void milliseconds(std::chrono::microseconds duration)
    {
        const auto microseconds = static_cast<std::uint64_t>(duration.count());
        number(microseconds / 1000);
        *at_++ = '.';
        for (std::uint64_t rest = microseconds % 1000, unit = 100; unit > 0; rest %= unit, unit /= 10)
            *at_++ = static_cast<char>('0' + rest / unit);
    }
    const char* end() const { return at_; }

private:
    char* at_;
};

} // namespace

access_log::access_log(const std::string& target, log::format style, bool strict)
    : file_(target, STDOUT_FILENO, strict), style_(style),
      buffer_(std::make_unique<char[]>(batch + longest_line))
{
}

void access_log::write(const access_entry& entry)
{
    if (!file_.on())
        return;
    if (size_ > batch)
        flush();
    line out(buffer_.get() + size_);
    if (style_ == log::format::json) {
        out.literal("{\"level\":\"INFO\",\"time\":\"");
        out.plain(precise_timestamp(entry.time));
        out.literal("\",\"module\":\"access\",\"request_id\":");
        out.quoted(entry.request_id);
        out.literal(",\"client\":");
        out.quoted(entry.client);
        out.literal(",\"method\":");
        out.quoted(entry.method);
        out.literal(",\"target\":");
        out.quoted(entry.target.substr(0, longest_target));
        out.literal(",\"status\":");
        out.number(entry.status);
        out.literal(",\"bytes\":");
        out.number(entry.bytes);
        out.literal(",\"ms\":");
        out.milliseconds(entry.duration);
        out.literal("}\n");
    } else {
        out.literal("INFO ");
        out.plain(precise_timestamp(entry.time));
        out.literal(" access request_id=");
        out.value(entry.request_id);
        out.literal(" client=");
        out.value(entry.client);
        out.literal(" method=");
        out.value(entry.method);
        out.literal(" target=");
        out.value(entry.target.substr(0, longest_target));
        out.literal(" status=");
        out.number(entry.status);
        out.literal(" bytes=");
        out.number(entry.bytes);
        out.literal(" ms=");
        out.milliseconds(entry.duration);
        out.literal("\n");
    }
    size_ = static_cast<std::size_t>(out.end() - buffer_.get());
}

void access_log::flush()
{
    if (size_ == 0)
        return;
    file_.write({buffer_.get(), size_});
    size_ = 0;
}

bool access_log::reopen()
{
    flush();
    return file_.reopen();
}

} // namespace cv

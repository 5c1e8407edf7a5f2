#include "http/response.hpp"

#include "base/text.hpp"

#include <cstring>
#include <stdexcept>

namespace cv::http {
namespace {

/// Whether a byte below 0x20 or 0x7f occurs in `text`. Eight are looked at together: each answer sets a few
/// fields.
bool has_control_byte(std::string_view text)
{
    constexpr std::uint64_t ones = 0x0101010101010101;
    // In the high bit of a byte; a subtraction borrows from the next one only behind a find.
    std::uint64_t found = 0;
    const auto look_at = [&found](std::uint64_t bytes) {
        const auto del = bytes ^ (ones * 0x7f); // 0 where it stood
        found |= ((bytes - ones * 0x20) & ~bytes) | ((del - ones) & ~del);
    };
    std::uint64_t bytes = 0;
    for (; text.size() >= sizeof bytes; text.remove_prefix(sizeof bytes)) {
        std::memcpy(&bytes, text.data(), sizeof bytes);
        look_at(bytes);
    }
    bytes = ones * ' ';
    if (!text.empty())
        std::memcpy(&bytes, text.data(), text.size());
    look_at(bytes);
    return (found & (ones * 0x80)) != 0;
}

} // namespace

void response::reset()
{
    code = status::ok;
    fields.clear();
    text.clear();
    is_error = false;
    close = false;
    file.reset();
    file_offset = file_size = 0;
    head.clear();
    from_views_ = false;
    keeper_.reset();
}

void response::set(std::string_view name, std::string_view value)
{
    if (has_control_byte(value))
        throw std::invalid_argument("a value of the field " + std::string(name) + " has control bytes");
    fields += name;
    fields += ": ";
    fields += value;
    fields += "\r\n";
}

void response::set_body(std::shared_ptr<const void> keeper, std::string_view a, std::string_view b,
                        std::string_view c)
{
    keeper_ = std::move(keeper);
    views_ = {a, b, c};
    from_views_ = true;
}

void response::set_file(unique_fd from, std::uint64_t offset, std::uint64_t size)
{
    file = std::move(from);
    file_offset = offset;
    file_size = size;
}

void response::set_error(status error, std::string_view words, boost::json::value about)
{
    reset();
    code = error;
    is_error = true;
    message = words;
    detail = std::move(about);
}

std::uint64_t response::body_size() const
{
    std::uint64_t size = file_size;
    for (const auto piece : pieces())
        size += piece.size();
    return size;
}

std::array<std::string_view, response::most_pieces> response::pieces() const
{
    if (from_views_)
        return views_;
    return {text, {}, {}};
}

std::string_view phrase(status code)
{
    switch (code) { // RFC 9110 renamed what Beast still calls by older names
    case status::uri_too_long:
        return "URI Too Long";
    case status::payload_too_large:
        return "Content Too Large";
    case status::range_not_satisfiable:
        return "Range Not Satisfiable";
    default:
        const auto words = boost::beast::http::obsolete_reason(code);
        return {words.data(), words.size()};
    }
}

} // namespace cv::http

#include "base/text.hpp"

#include <algorithm>
#include <cstring>
#include <endian.h>

namespace cv {
namespace {

constexpr char hex_digits[] = "0123456789abcdef";

char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/// Length of the well-formed sequence that starts at `p`, 0 when there is none (Unicode table 3-7).
std::size_t sequence_length(const unsigned char* p, std::size_t left)
{
    const unsigned char lead = p[0];
    if (lead < 0x80)
        return 1;
    const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || left < length)
        return 0;
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    if (lead == 0xe0)
        low = 0xa0;
    else if (lead == 0xed)
        high = 0x9f;
    else if (lead == 0xf0)
        low = 0x90;
    else if (lead == 0xf4)
        high = 0x8f;
    if (p[1] < low || p[1] > high)
        return 0;
    for (std::size_t i = 2; i < length; ++i)
        if (p[i] < 0x80 || p[i] > 0xbf)
            return 0;
    return length;
}

} // namespace

std::size_t utf8_prefix(std::string_view text)
{
    const auto* p = reinterpret_cast<const unsigned char*>(text.data());
    std::size_t i = 0;
    while (i < text.size()) {
        const auto length = sequence_length(p + i, text.size() - i);
        if (length == 0)
            break;
        i += length;
    }
    return i;
}

void append_utf8(std::string& out, std::uint32_t code_point)
{
    const auto byte = [&out](std::uint32_t value) { out.push_back(static_cast<char>(value)); };
    if (code_point < 0x80) {
        byte(code_point);
    } else if (code_point < 0x800) {
        byte(0xc0 | (code_point >> 6));
        byte(0x80 | (code_point & 0x3f));
    } else if (code_point < 0x10000) {
        byte(0xe0 | (code_point >> 12));
        byte(0x80 | ((code_point >> 6) & 0x3f));
        byte(0x80 | (code_point & 0x3f));
    } else {
        byte(0xf0 | (code_point >> 18));
        byte(0x80 | ((code_point >> 12) & 0x3f));
        byte(0x80 | ((code_point >> 6) & 0x3f));
        byte(0x80 | (code_point & 0x3f));
    }
}

bool percent_decode(std::string_view text, bool plus_is_space, std::string& out)
{
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%') {
            const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
            const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            out.push_back(static_cast<char>(high * 16 + low));
            i += 2;
        } else {
            out.push_back(plus_is_space && text[i] == '+' ? ' ' : text[i]);
        }
    }
    return true;
}

bool has_control_character(std::string_view text)
{
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        if (c < 0x20 || c == 0x7f)
            return true;
        if (c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0)
            return true;
    }
    return false;
}

std::string printable(std::string_view text)
{
    const auto* p = reinterpret_cast<const unsigned char*>(text.data());
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
        const auto length = sequence_length(p + i, text.size() - i);
        if (length == 0 || has_control_character(text.substr(i, length))) {
            const auto end = i + std::max<std::size_t>(length, 1);
            for (; i < end; ++i) {
                out += "\\x";
                append_hex(out, std::span(p + i, 1));
            }
        } else {
            out += text.substr(i, length);
            i += length;
        }
    }
    return out;
}

char* write_json_string(char* to, std::string_view text)
{
    const auto* p = reinterpret_cast<const unsigned char*>(text.data());
    *to++ = '"';
    for (std::size_t i = 0; i < text.size();) {
        const auto c = p[i];
        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') { // nearly all that is logged
            *to++ = text[i++];
            continue;
        }
        const auto length = sequence_length(p + i, text.size() - i);
        if (c == '"' || c == '\\') {
            *to++ = '\\';
            *to++ = text[i];
        } else if (c < 0x20 || c == 0x7f) {
            to = std::copy_n("\\u00", 4, to);
            *to++ = hex_digits[c >> 4];
            *to++ = hex_digits[c & 15];
        } else if (length == 0) {
            to = std::copy_n("\\ufffd", 6, to);
        } else {
            to = std::copy_n(text.data() + i, length, to);
        }
        i += std::max<std::size_t>(length, 1);
    }
    *to++ = '"';
    return to;
}

void append_json_string(std::string& out, std::string_view text)
{
    const auto begin = out.size();
    out.resize(begin + json_string_room(text.size()));
    const auto* const end = write_json_string(out.data() + begin, text);
    out.resize(static_cast<std::size_t>(end - out.data()));
}

void append_hex(std::string& out, std::span<const std::uint8_t> bytes)
{
    for (const auto byte : bytes) {
        out.push_back(hex_digits[byte >> 4]);
        out.push_back(hex_digits[byte & 15]);
    }
}

char* write_hex(char* to, std::uint64_t value)
{
    // Eight digits at once: each spread to a byte of its own, then moved behind '0' or, from ten on, 'a'.
    for (const auto half : {value >> 32, value & 0xffffffff}) {
        auto digits = (half << 16 | half) & 0x0000ffff0000ffff;
        digits = (digits << 8 | digits) & 0x00ff00ff00ff00ff;
        digits = (digits << 4 | digits) & 0x0f0f0f0f0f0f0f0f;
        const auto letters = ((digits + 0x0606060606060606) >> 4) & 0x0101010101010101;
        digits = ::htobe64(digits + 0x3030303030303030 + letters * ('a' - '0' - 10));
        std::memcpy(to, &digits, sizeof digits);
        to += sizeof digits;
    }
    return to;
}

void append_hex(std::string& out, std::uint64_t value)
{
    char digits[16];
    out.append(digits, write_hex(digits, value));
}

std::string_view trim(std::string_view text)
{
    const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
    while (!text.empty() && blank(text.front()))
        text.remove_prefix(1);
    while (!text.empty() && blank(text.back()))
        text.remove_suffix(1);
    return text;
}

std::vector<std::string_view> split_list(std::string_view text, char separator)
{
    std::vector<std::string_view> parts;
    while (!text.empty()) {
        const auto end = text.find(separator);
        if (const auto part = trim(text.substr(0, end)); !part.empty())
            parts.push_back(part);
        text.remove_prefix(end == text.npos ? text.size() : end + 1);
    }
    return parts;
}

bool iequals(std::string_view a, std::string_view b)
{
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return lower(x) == lower(y); });
}

std::string to_lower(std::string_view text)
{
    std::string result(text);
    std::transform(result.begin(), result.end(), result.begin(), lower);
    return result;
}

} // namespace cv

#pragma once
#include <charconv>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Small text tools that every layer needs. All functions are pure and thread-safe.
namespace cv {

/// How many bytes at the start of `text` are well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms,
/// at most U+10FFFF).
std::size_t utf8_prefix(std::string_view text);

/// Whether all of `text` is well-formed UTF-8.
inline bool is_utf8(std::string_view text)
{
    return utf8_prefix(text) == text.size();
}

/// Appends `code_point`, which must be a Unicode scalar value, to `out` as UTF-8.
void append_utf8(std::string& out, std::uint32_t code_point);

/// Decodes %XX once (RFC 3986) and appends the result to `out`; with `plus_is_space`, `+` reads as a space
/// as in a query. False when a `%` is not followed by two hexadecimal digits.
bool percent_decode(std::string_view text, bool plus_is_space, std::string& out);

/// Whether a byte below 0x20 or 0x7f, or a C1 control (U+0080 to U+009F in UTF-8), occurs in `text`.
bool has_control_character(std::string_view text);

/// `text` fit to be shown: control bytes and what is not UTF-8 as `\xNN`.
std::string printable(std::string_view text);

/// What a text of so many bytes may need as a JSON string.
constexpr std::size_t json_string_room(std::size_t size)
{
    return 6 * size + 2;
}

/// Writes `text` as append_json_string does, to where json_string_room is; the end of what it wrote.
char* write_json_string(char* to, std::string_view text);

/// Appends `text` as a JSON string with its quotes (RFC 8259): escapes `"`, `\` and control bytes only;
/// what is not UTF-8 becomes U+FFFD.
void append_json_string(std::string& out, std::string_view text);

/// Appends the decimal digits of `value`.
template <class Integer>
void append_number(std::string& out, Integer value)
{
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    out.append(digits, end);
}

/// Appends each byte as two lower-case hexadecimal digits.
void append_hex(std::string& out, std::span<const std::uint8_t> bytes);

/// Writes `value` as 16 lower-case hexadecimal digits; the end of what it wrote.
char* write_hex(char* to, std::uint64_t value);

/// Appends `value` as 16 lower-case hexadecimal digits.
void append_hex(std::string& out, std::uint64_t value);

/// Without the spaces and tabs (and line ends) around it.
std::string_view trim(std::string_view text);

/// The trimmed, non-empty parts between `separator`s.
std::vector<std::string_view> split_list(std::string_view text, char separator = ',');

/// ASCII case-insensitive equality.
bool iequals(std::string_view a, std::string_view b);

/// In ASCII lower case.
std::string to_lower(std::string_view text);

/// The value of a text of decimal digits alone (no sign, no space); nothing when it is not one or too large.
template <class Unsigned>
std::optional<Unsigned> parse_unsigned(std::string_view text)
{
    Unsigned value{};
    if (text.empty() || text.front() < '0' || text.front() > '9')
        return std::nullopt;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

} // namespace cv

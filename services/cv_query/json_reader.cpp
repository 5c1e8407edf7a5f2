#include "cv_query/json_reader.hpp"

#include "base/text.hpp"

#include <cmath>
#include <cstdlib>

namespace cv {
namespace {

bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/// How an unexpected byte is named in an error.
std::string shown(char c)
{
    const auto byte = static_cast<unsigned char>(c);
    if (byte > 0x20 && byte < 0x7f)
        return std::string("'") + c + "'";
    std::string text = "byte 0x";
    append_hex(text, std::span<const std::uint8_t>(&byte, 1));
    return text;
}

/// Whether a number that the grammar takes is finite as a double. Short ones without an exponent always are.
bool is_finite(std::string_view number)
{
    constexpr std::size_t always_finite = 300;
    if (number.size() < always_finite && number.find_first_of("eE") == number.npos)
        return true;
    return std::isfinite(std::strtod(std::string(number).c_str(), nullptr));
}

} // namespace

char json_reader::peek()
{
    while (offset_ < source_.size()) {
        const char c = source_[offset_];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t') {
            if (c == '\0')
                fail("a NUL byte");
            return c;
        }
        ++offset_;
    }
    return '\0';
}

void json_reader::expect(char c, std::string_view what)
{
    const char next = peek();
    if (next == '\0')
        fail("the text ends where " + std::string(what) + " should come");
    if (next != c)
        fail(std::string(what) + " should come here, not " + shown(next));
    ++offset_;
}

std::string_view json_reader::read_string(std::string& decoded)
{
    decoded.clear();
    const auto begin = offset_++;
    for (;;) {
        auto plain = offset_;
        while (plain < source_.size() && static_cast<unsigned char>(source_[plain]) >= 0x20 &&
               source_[plain] != '"' && source_[plain] != '\\')
            ++plain;
        decoded.append(source_, offset_, plain - offset_);
        offset_ = plain;
        if (offset_ == source_.size()) {
            offset_ = begin;
            fail("this string does not end");
        }
        if (source_[offset_] == '"')
            return source_.substr(begin, ++offset_ - begin);
        if (source_[offset_] != '\\')
            fail(source_[offset_] == '\0'
                     ? "a NUL byte"
                     : "control characters must be escaped in a string, not " + shown(source_[offset_]));
        read_escape(decoded);
    }
}

unsigned json_reader::read_hex4()
{
    const auto digits = source_.substr(offset_, 4);
    unsigned value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() < 4 || error != std::errc() || end != digits.data() + 4)
        fail("\\u needs four hexadecimal digits");
    offset_ += 4;
    return value;
}

void json_reader::read_escape(std::string& decoded)
{
    const auto begin = offset_++;
    const char c = offset_ < source_.size() ? source_[offset_++] : '\0';
    static constexpr std::string_view letters = "\"\\/bfnrt";
    static constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
    if (const auto found = letters.find(c); c != '\0' && found != letters.npos) {
        decoded.push_back(meanings[found]);
        return;
    }
    if (c != 'u') {
        offset_ = begin;
        fail("an unknown escape; the known ones are \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\u with four "
             "digits");
    }
    std::uint32_t code = read_hex4();
    if (code >= 0xdc00 && code < 0xe000) {
        offset_ = begin;
        fail("a lone surrogate escape");
    }
    if (code >= 0xd800 && code < 0xdc00) {
        unsigned low = 0;
        if (source_.substr(offset_, 2) == "\\u") {
            offset_ += 2;
            low = read_hex4();
        }
        if (low < 0xdc00 || low > 0xdfff) {
            offset_ = begin;
            fail("a lone surrogate escape");
        }
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    append_utf8(decoded, code);
}

void json_reader::skip_digits(std::string_view where)
{
    if (offset_ == source_.size() || !is_digit(source_[offset_]))
        fail("a number needs a digit " + std::string(where));
    while (offset_ < source_.size() && is_digit(source_[offset_]))
        ++offset_;
}

std::string_view json_reader::read_number()
{
    const auto begin = offset_;
    const auto next = [this] { return offset_ < source_.size() ? source_[offset_] : '\0'; };
    if (next() == '-')
        ++offset_;
    if (next() == '0' && offset_ + 1 < source_.size() && is_digit(source_[offset_ + 1]))
        fail("a number must not begin with 0");
    skip_digits("here");
    if (next() == '.') {
        ++offset_;
        skip_digits("after the point");
    }
    if (next() == 'e' || next() == 'E') {
        ++offset_;
        if (next() == '+' || next() == '-')
            ++offset_;
        skip_digits("in the exponent");
    }
    const auto number = source_.substr(begin, offset_ - begin);
    if (!is_finite(number)) {
        offset_ = begin;
        fail("number is not finite");
    }
    return number;
}

std::string_view json_reader::read_literal()
{
    for (const std::string_view literal : {"true", "false", "null"}) {
        if (source_.substr(offset_).starts_with(literal)) {
            offset_ += literal.size();
            return literal;
        }
    }
    fail(offset_ == source_.size() ? "the text ends where a value should come"
                                   : "a value should come here, not " + shown(source_[offset_]));
}

void json_reader::expect_end()
{
    if (const char c = peek(); c != '\0')
        fail("nothing may follow the value, but " + shown(c) + " does");
}

} // namespace cv

#include "base/address.hpp"
#include "base/siphash.hpp"
#include "base/text.hpp"
#include "http/response.hpp"

#include <catch2/catch.hpp>

using namespace cv;

TEST_CASE("SipHash-2-4 gives the values of its authors' test vectors")
{
    const siphash_key key = {0x0706050403020100U, 0x0f0e0d0c0b0a0908U};
    std::string text;
    for (char c = 0; c < 15; ++c)
        text += c;
    CHECK(siphash(key, "") == 0x726fdb47dd0e0e31U);
    CHECK(siphash(key, text) == 0xa129ca6149be45e5U);
}

TEST_CASE("UTF-8 is taken as RFC 3629 has it")
{
    CHECK(is_utf8("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
    for (const std::string_view bad :
         {"\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80", "\xe2\x82", "\xff"})
        CHECK_FALSE(is_utf8(bad));
    CHECK(utf8_prefix("ab\xff") == 2);
}

TEST_CASE("percent-decoding decodes once and refuses what is broken")
{
    std::string out;
    REQUIRE(percent_decode("a%2Bb+c%2525", true, out));
    CHECK(out == "a+b c%25");
    for (const std::string_view bad : {"%", "%4", "%zz", "a%g0"})
        CHECK_FALSE(percent_decode(bad, false, out));
}

TEST_CASE("endpoints are read and written alike")
{
    for (const auto* text : {"127.0.0.1:8000", "[::1]:0", "unix:/run/x"})
        CHECK(to_string(parse_endpoint(text).value()) == text);
    for (const auto* bad :
         {"", "8000", "127.0.0.1", "::1:80", "[127.0.0.1]:80", "1.2.3.4:65536", "unix:x", "a:1"})
        CHECK_FALSE(parse_endpoint(bad));
}

TEST_CASE("peers are matched by network")
{
    const auto list = peer_list::parse("10.0.0.0/8, 2001:db8::/32, unix").value();
    CHECK(list.contains(parse_ip("10.200.3.4")));
    CHECK(list.contains(parse_ip("::ffff:10.0.0.1")));
    CHECK(list.contains(parse_ip("2001:db8:1::1")));
    CHECK(list.contains(std::nullopt));
    CHECK_FALSE(list.contains(parse_ip("11.0.0.1")));
    CHECK_FALSE(list.contains(parse_ip("2001:db9::1")));
    CHECK_FALSE(peer_list::parse("10.0.0.0/33"));
    CHECK_FALSE(peer_list::parse("10.0.0.0/00")); // who reads it as /0 believes everybody
}

TEST_CASE("a JSON string is valid whatever bytes it is made from")
{
    const auto quoted = [](std::string_view text) {
        std::string out;
        append_json_string(out, text);
        return out;
    };
    CHECK(quoted("") == R"("")");
    CHECK(quoted("a\"b\\c\n\x7f") == R"("a\"b\\c\u000a\u007f")");
    CHECK(quoted("\u00e9\u0633") == "\"\u00e9\u0633\"");
    CHECK(quoted("a\xff\xc3(") == R"("a\ufffd\ufffd(")");
}

TEST_CASE("hexadecimal digits stand in the order of their weight")
{
    const auto hex = [](std::uint64_t value) {
        std::string text = "<";
        append_hex(text, value);
        return text;
    };
    CHECK(hex(0x0123456789abcdef) == "<0123456789abcdef");
    CHECK(hex(0xfedcba9876543210) == "<fedcba9876543210");
    CHECK(hex(9) == "<0000000000000009");
    CHECK(hex(~std::uint64_t{0}) == "<ffffffffffffffff");
}

TEST_CASE("a field never takes a control byte, wherever it stands")
{
    CHECK_NOTHROW(http::response().set("X-Name", {}));
    for (const std::size_t size : {1, 7, 8, 9, 16, 23})
        for (std::size_t at = 0; at < size; ++at)
            for (unsigned byte = 0; byte < 256; ++byte) {
                std::string value(size, byte % 2 ? '~' : ' ');
                value[at] = static_cast<char>(byte);
                http::response out;
                INFO("byte " << byte << " at " << at << " of " << size);
                if (byte < 0x20 || byte == 0x7f) {
                    CHECK_THROWS_AS(out.set("X-Name", value), std::invalid_argument);
                    CHECK(out.fields.empty());
                } else {
                    out.set("X-Name", value);
                    CHECK(out.fields == "X-Name: " + value + "\r\n");
                }
            }
}

#include "http/conditional.hpp"

#include <catch2/catch.hpp>

using namespace cv::http;

TEST_CASE("If-None-Match is a list, compared weakly")
{
    CHECK(matches("\"a\"", "\"a\""));
    CHECK(matches("\"x\", W/\"a\"", "\"a\""));
    CHECK(matches(", ,\"a\"", "\"a\""));
    CHECK(matches(" * ", "\"a\""));
    CHECK_FALSE(matches("a", "\"a\""));
    CHECK_FALSE(matches("\"b\"", "\"a\""));
    CHECK_FALSE(matches("\"a", "\"a\""));
}

TEST_CASE("one byte range is honoured")
{
    byte_range range;
    CHECK(read_range("bytes=0-3", 10, range) == range_answer::partial);
    CHECK((range.begin == 0 && range.size == 4));
    CHECK(read_range("bytes=-3", 10, range) == range_answer::partial);
    CHECK((range.begin == 7 && range.size == 3));
    CHECK(read_range("bytes=8-99999999999999999999", 10, range) == range_answer::partial);
    CHECK((range.begin == 8 && range.size == 2));
    CHECK(read_range("bytes=10-", 10, range) == range_answer::unsatisfiable);
    CHECK(read_range("bytes=-0", 10, range) == range_answer::unsatisfiable);
    for (const auto* whole : {"", "lines=0-1", "bytes=0-1,3-4", "bytes=3-1", "bytes=a-b"})
        CHECK(read_range(whole, 10, range) == range_answer::whole);
}

#include "http/coding.hpp"

#include <catch2/catch.hpp>

using namespace cv::http;

namespace {

std::optional<coding> chosen(std::string_view field)
{
    coding_weights weights;
    weights.add(field);
    return weights.choose();
}

} // namespace

TEST_CASE("the heaviest coding is sent, br before gzip before identity")
{
    CHECK(chosen("") == coding::identity);
    CHECK(chosen("gzip, br") == coding::br);
    CHECK(chosen("gzip, br;q=0.9") == coding::gzip);
    CHECK(chosen("gzip;q=0.5, identity") == coding::identity);
    CHECK(chosen("*") == coding::br);
    CHECK(chosen("br;q=0, *") == coding::gzip);
    CHECK(chosen("x-gzip") == coding::gzip);
}

TEST_CASE("what is refused is not sent")
{
    CHECK_FALSE(chosen("identity;q=0"));
    CHECK_FALSE(chosen("*;q=0"));
    CHECK(chosen("gzip, identity;q=0") == coding::gzip);
    CHECK(chosen("*;q=0, identity") == coding::identity);
}

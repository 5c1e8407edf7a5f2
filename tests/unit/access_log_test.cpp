#include "base/access_log.hpp"
#include "base/file.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <sys/mman.h>

using namespace cv;

namespace {

/// What an access log of this style makes of the entries.
std::string written(log::format style, const std::vector<access_entry>& entries)
{
    const unique_fd file(::memfd_create("access", MFD_CLOEXEC));
    {
        access_log log("/proc/self/fd/" + std::to_string(file.get()), style);
        for (const auto& entry : entries)
            log.write(entry);
    }
    std::string text;
    REQUIRE(read_all(file.get(), 1 << 26, text));
    return text;
}

const std::chrono::system_clock::time_point noon(std::chrono::milliseconds(1'768'474'800'007));

} // namespace

TEST_CASE("an access line tells a request")
{
    const access_entry entry{
        "id-1", "unix", "GET", "/a?b=\"c\"", 200, 1434, std::chrono::microseconds(12'034), noon};
    CHECK(written(log::format::verbose, {entry}) ==
          "INFO 2026-01-15T11:00:00.007Z access request_id=id-1 client=unix method=GET "
          "target=\"/a?b=\\\"c\\\"\" status=200 bytes=1434 ms=12.034\n");
    CHECK(written(log::format::json, {entry}) ==
          "{\"level\":\"INFO\",\"time\":\"2026-01-15T11:00:00.007Z\",\"module\":\"access\","
          "\"request_id\":\"id-1\",\"client\":\"unix\",\"method\":\"GET\",\"target\":\"/a?b=\\\"c\\\"\","
          "\"status\":200,\"bytes\":1434,\"ms\":12.034}\n");
}

TEST_CASE("the longest lines have room, and come whole")
{
    const std::string worst(5000, '\x01');
    const access_entry entry{std::string_view(worst).substr(0, 64),
                             std::string_view(worst).substr(0, 17),
                             std::string_view(worst).substr(0, 32),
                             worst,
                             599,
                             ~std::uint64_t{0},
                             std::chrono::microseconds::max(),
                             noon};
    constexpr std::size_t count = 20;
    for (const auto style : {log::format::json, log::format::verbose}) {
        const auto text = written(style, std::vector(count, entry));
        CHECK(static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) == count);
        if (style == log::format::json)
            CHECK(boost::json::parse(text.substr(0, text.find('\n'))).at("target").as_string().size() ==
                  4094);
    }
}

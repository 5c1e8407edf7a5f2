#include "http/head.hpp"
#include "http/host.hpp"

#include <catch2/catch.hpp>

using namespace cv;
using namespace cv::http;

namespace {

std::optional<head_refusal> judge(const std::string& text)
{
    head_scanner scanner;
    const auto progress = scanner.scan(text);
    if (progress == head_scanner::progress::refused)
        return scanner.why();
    REQUIRE(progress == head_scanner::progress::complete);
    head found;
    return read_head(std::string_view(text).substr(scanner.begin(), scanner.end() - scanner.begin()), found);
}

} // namespace

TEST_CASE("a head is found whole, however it arrives")
{
    const std::string text = "\r\nGET /a?b=c HTTP/1.1\r\nHost: x:1\r\n\r\nGET";
    head_scanner scanner;
    for (std::size_t n = 0; n < text.size() - 3; ++n)
        REQUIRE(scanner.scan(std::string_view(text).substr(0, n)) == head_scanner::progress::incomplete);
    REQUIRE(scanner.scan(text) == head_scanner::progress::complete);
    CHECK(scanner.begin() == 2);
    CHECK(scanner.end() == text.size() - 3);
    head found;
    REQUIRE_FALSE(read_head(std::string_view(text).substr(2, scanner.end() - 2), found));
    CHECK(found.path == "/a");
    CHECK(found.query == "b=c");
    CHECK(found.host == "x:1");
}

TEST_CASE("what a careful server must not take is refused")
{
    const std::string host = "Host: x\r\n";
    for (const auto& bad :
         {"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
          "GET / HTTP/1.1\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n",
          "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
          "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
          "GET / HTTP/1.1\r\nHost: x\r\n folded: x\r\n\r\n", "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
          "GET / HTTP/1.1\r\nHost: x\r\nA_b: x\r\n\r\n", "GET http:///x HTTP/1.1\r\nHost: x\r\n\r\n",
          "GET /#x HTTP/1.1\r\nHost: x\r\n\r\n", "G@T / HTTP/1.1\r\nHost: x\r\n\r\n"})
        CHECK(judge(bad) == head_refusal::malformed);
    CHECK(judge("GET / HTTP/2.0\r\n" + host + "\r\n") == head_refusal::version);
    CHECK(judge("GET /" + std::string(4094, 'a') + " HTTP/1.1\r\n" + host + "\r\n") ==
          head_refusal::uri_too_long);
    CHECK(judge("GET / HTTP/1.1\r\n" + host + std::string(17000, 'a')) == head_refusal::too_large);
}

TEST_CASE("hosts are split and matched")
{
    CHECK(split_host("a.b.:80")->name == "a.b");
    CHECK(split_host("[::1]:80")->name == "[::1]");
    for (const auto* bad : {"", ":80", "a:b", "a@b", "[::1", "::1", "a b", "a:99999"})
        CHECK_FALSE(split_host(bad));
    const allowed_hosts hosts({".example.com", "x"});
    CHECK(hosts.contains("EXAMPLE.com"));
    CHECK(hosts.contains("a.example.com"));
    CHECK_FALSE(hosts.contains("badexample.com"));
    CHECK_FALSE(hosts.contains("xx"));
}

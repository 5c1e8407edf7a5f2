#include "harness.hpp"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sys/mman.h>

using namespace cv;
using namespace cv::test;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t large = 8 * 1024 * 1024; ///< more than the kernel's buffers take at once

/// Bytes that differ from place to place, so that a wrong offset shows.
const std::string& large_text()
{
    static const auto text = [] {
        std::string made;
        for (std::size_t i = 0; made.size() < large; ++i)
            made += std::to_string(i) + ' ';
        made.resize(large);
        return made;
    }();
    return text;
}

unique_fd large_file()
{
    unique_fd file(::memfd_create("large", MFD_CLOEXEC));
    REQUIRE(::write(file.get(), large_text().data(), large) == static_cast<ssize_t>(large));
    return file;
}

std::vector<http::route> routes()
{
    return {
        {"/small", [](const http::request&, http::response& out) { out.text = "small"; }},
        {"/query",
         [](const http::request& in, http::response& out) { out.text = std::string(in.head.query); }},
        {"/large",
         [](const http::request&, http::response& out) { out.set_body(nullptr, "<", large_text(), ">"); }},
        {"/file",
         [](const http::request&, http::response& out) { out.set_file(large_file(), 1, large - 1); }},
        {"/throws", [](const http::request&, http::response&) { throw std::runtime_error("secret reason"); }},
    };
}

/// A route that keeps the server's thread busy for so long.
http::route slow_route(std::chrono::milliseconds duration)
{
    return {"/slow", [duration](const http::request&, http::response& out) {
                const auto end = monotonic::now() + duration;
                while (monotonic::now() < end) {
                }
                out.text = "slow";
            }};
}

std::string get(const std::string& target, const std::string& more = {})
{
    return "GET " + target + " HTTP/1.1\r\nHost: test\r\n" + more + "\r\n";
}

} // namespace

TEST_CASE("a request is answered whole, however it arrives")
{
    running_server server(routes());
    client peer(server.port());
    for (const char byte : get("/small"))
        peer.send({&byte, 1});
    CHECK(peer.read().body == "small");
    peer.send(get("/query?1") + get("/query?2").substr(0, 9));
    CHECK(peer.read().body == "1");
    peer.send(get("/query?2").substr(9));
    CHECK(peer.read().body == "2");
}

TEST_CASE("pipelined requests are answered in order, more of them than a buffer holds")
{
    running_server server(routes());
    client peer(server.port());
    constexpr int count = 3000; // 120 KB
    std::string all;
    for (int i = 0; i < count; ++i)
        all += get("/query?" + std::to_string(i));
    std::thread sender([&] { peer.send(all); });
    int right = 0;
    for (int i = 0; i < count; ++i)
        right += peer.read().body == std::to_string(i) ? 1 : 0;
    sender.join();
    CHECK(right == count);
}

TEST_CASE("a slow reader gets every byte, and then the next answers")
{
    running_server server(routes());
    client peer(server.port(), 4096);
    const bool file = GENERATE(false, true);
    peer.send(get(file ? "/file" : "/large") + get("/query?a") + get(file ? "/file" : "/large"));
    const auto expected = file ? large_text().substr(1) : "<" + large_text() + ">";
    CHECK(peer.read().body == expected);
    CHECK(peer.read().body == "a");
    peer.send(get("/query?b"));
    CHECK(peer.read().body == expected);
    CHECK(peer.read().body == "b");
}

TEST_CASE("a client that has said its last gets its answers, and the connection ends")
{
    running_server server(routes());
    client peer(server.port());
    const std::string target = GENERATE("/small", "/large");
    peer.send(get(target) + get("/query?x"));
    peer.finish();
    CHECK(peer.read().body.size() == (target == "/small" ? 5 : large + 2));
    CHECK(peer.read().body == "x");
    CHECK(peer.at_end());
}

TEST_CASE("a client that goes away in the middle does no harm")
{
    running_server server(routes());
    for (int i = 0; i < 20; ++i) {
        client gone(server.port(), 4096);
        gone.send(get(i % 2 ? "/large" : "/file"));
    }
    client peer(server.port());
    peer.send(get("/small"));
    CHECK(peer.read().body == "small");
    const auto deadline = monotonic::now() + 10s;
    while (server.counters().open.get() > 1 && monotonic::now() < deadline)
        std::this_thread::sleep_for(1ms);
    CHECK(server.counters().open.get() == 1);
    CHECK(server.counters().accepted.get() == 21);
}

TEST_CASE("a head that does not come to its end is refused at its deadline, an idle connection just ends")
{
    http::server_options options;
    options.head_timeout = 1s;
    options.keepalive = 1s;
    running_server server(routes(), options);
    client late(server.port());
    client idle(server.port());
    late.send("GET /small HT");
    idle.send(get("/small"));
    CHECK(idle.read().body == "small");
    const auto refusal = late.read();
    CHECK(refusal.status == 408);
    CHECK(refusal.has("Connection: close"));
    CHECK(late.at_end());
    CHECK(idle.at_end());
    CHECK(server.counters().refused_heads[static_cast<std::size_t>(head_refusal::timeout)].get() == 1);
}

TEST_CASE("a client that reads nothing is let go at the deadline")
{
    http::server_options options;
    options.write_timeout = 1s;
    options.write_floor = large; // bytes a second: one second more for the whole body
    running_server server(routes(), options);
    client peer(server.port(), 4096);
    peer.send(get("/large"));
    const auto deadline = monotonic::now() + 10s;
    while (server.counters().accepted.get() == 0 || server.counters().open.get() > 0) {
        REQUIRE(monotonic::now() < deadline);
        std::this_thread::sleep_for(10ms);
    }
    CHECK_THROWS(peer.read()); // cut off, not ended well
}

TEST_CASE("draining answers what is under way and ends what is idle")
{
    http::server_options options;
    options.linger = 1s;
    running_server server(routes(), options);
    client idle(server.port());
    client active(server.port());
    idle.send(get("/small"));
    idle.read();
    active.send(get("/small").substr(0, 10));
    const auto deadline = monotonic::now() + 10s;
    while (server.counters().open.get() < 2 && monotonic::now() < deadline)
        std::this_thread::sleep_for(1ms);
    server.drain(8s);
    active.send(get("/small").substr(10));
    const auto last = active.read();
    CHECK(last.body == "small");
    CHECK(last.has("Connection: close"));
    CHECK(active.at_end());
    CHECK(idle.at_end());
    CHECK(server.join());
    CHECK_THROWS(client(server.port()));
}

TEST_CASE("an answer that was under way when draining began does not keep its connection for long")
{
    http::server_options options;
    options.linger = 1s;
    running_server server(routes(), options);
    client peer(server.port(), 4096);
    peer.send(get(GENERATE("/large", "/file")));
    const auto deadline = monotonic::now() + 10s;
    while (server.counters().open.get() < 1 && monotonic::now() < deadline)
        std::this_thread::sleep_for(1ms);
    server.drain(60s);
    CHECK(peer.read().status == 200);
    CHECK(peer.at_end());
    CHECK(server.join()); // within ten seconds, not sixty
}

TEST_CASE("one client with much to ask does not keep another waiting")
{
    constexpr int many = 600;
    auto table = routes();
    table.push_back(slow_route(1ms));
    running_server server(std::move(table));
    client greedy(server.port());
    client modest(server.port());
    std::string all;
    for (int i = 0; i < many; ++i)
        all += get("/slow");
    greedy.send(all);
    CHECK(greedy.read().body == "slow");
    modest.send(get("/small"));
    CHECK(modest.read().body == "small");
    CHECK(server.counters().count(5, 200) < many);
    for (int i = 1; i < many; ++i)
        REQUIRE(greedy.read().body == "slow");
}

TEST_CASE("what comes while a connection has given up its turn is not forgotten")
{
    auto table = routes();
    table.push_back(slow_route(2ms));
    running_server server(std::move(table));
    const bool half_closes = GENERATE(false, true);
    for (int round = 0; round < 10; ++round) {
        client peer(server.port());
        peer.send(get("/slow") + get("/slow") + get("/slow"));
        CHECK(peer.read().body == "slow"); // the turn is over, and two are left
        if (half_closes)
            peer.finish();
        else
            peer.send(get("/query?late"));
        CHECK(peer.read().body == "slow");
        CHECK(peer.read().body == "slow");
        if (half_closes)
            CHECK(peer.at_end());
        else
            CHECK(peer.read().body == "late");
    }
}

TEST_CASE("draining does not wait for ever")
{
    running_server server(routes());
    client stuck(server.port(), 4096);
    stuck.send(get("/large"));
    const auto deadline = monotonic::now() + 10s;
    while (server.counters().open.get() < 1 && monotonic::now() < deadline)
        std::this_thread::sleep_for(1ms);
    server.drain(0s);
    CHECK(server.join());
}

TEST_CASE("what a handler throws is an error for its request alone")
{
    running_server server(routes());
    client peer(server.port());
    peer.send(get("/throws") + get("/small"));
    const auto failed = peer.read();
    CHECK(failed.status == 500);
    CHECK(failed.body.find("secret reason") == std::string::npos);
    CHECK(peer.read().body == "small");
}

TEST_CASE("every answer has its line in the access log, and its number in the counters")
{
    running_server server(routes());
    {
        client peer(server.port());
        peer.send(get("/small") + get("/nothing") + get("/query?" + std::string(100, 'q')));
        for (int i = 0; i < 3; ++i)
            peer.read();
        peer.send("BAD\n");
        CHECK(peer.read().status == 400);
        CHECK(peer.at_end());
    }
    server.drain(8s);
    REQUIRE(server.join());
    const auto log = server.log();
    CHECK(std::count(log.begin(), log.end(), '\n') == 4);
    CHECK(log.find("target=\"/small\" status=200 bytes=5 ") != log.npos);
    CHECK(log.find("target=\"/nothing\" status=404 ") != log.npos);
    CHECK(log.find(" status=200 bytes=100 ") != log.npos);
    CHECK(server.counters().count(0, 200) == 1);
    CHECK(server.counters().count(1, 200) == 1);
    CHECK(server.counters().count(5, 404) == 1); // the unknown route
    CHECK(server.counters().count(5, 400) == 1); // the head that was none
}

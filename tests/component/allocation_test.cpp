#include "cv_query/api.hpp"
#include "cv_query/loader.hpp"
#include "cv_query/routes.hpp"
#include "harness.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>

// Under a sanitizer, which brings an allocator of its own, nothing is counted: the plain run does it.
#ifndef __SANITIZE_ADDRESS__

namespace {

thread_local bool counting = false;
thread_local std::size_t allocations = 0;

void note()
{
    if (counting)
        ++allocations;
}

} // namespace

// The C library's own names of what is replaced here; operator new and Asio come here as well.
extern "C" {
void* __libc_malloc(std::size_t);                // NOLINT
void* __libc_calloc(std::size_t, std::size_t);   // NOLINT
void* __libc_realloc(void*, std::size_t);        // NOLINT
void* __libc_memalign(std::size_t, std::size_t); // NOLINT

void* malloc(std::size_t size)
{
    note();
    return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size)
{
    note();
    return __libc_calloc(count, size);
}
void* realloc(void* old, std::size_t size)
{
    note();
    return __libc_realloc(old, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size)
{
    note();
    return __libc_memalign(alignment, size);
}
}

namespace {

using namespace cv;
using namespace cv::test;

struct work
{
    const char* name;
    std::string request;
    int status;
};

std::string get(const std::string& target, const std::string& more = {})
{
    return "GET " + target + " HTTP/1.1\r\nHost: test\r\nUser-Agent: component test\r\n" + more + "\r\n";
}

TEST_CASE("a request on the hot path does not allocate")
{
    temporary_folder folder;
    std::filesystem::create_directories(folder.path() / "data/cvs");
    std::string summary(50'000, 'x');
    std::ofstream(folder.path() / "data/cvs/ada.json")
        << R"({"basics":[{"fname":"Ada","lname":"Example","summary":")" << summary
        << R"("}],"education":[{"institution":"Somewhere","summary":")" << summary.substr(0, 1400)
        << R"("}]})";
    const auto data = (folder.path() / "data").string();
    const auto state = (folder.path() / "state").string();
    REQUIRE(load_catalogue(data, state).state.documents == 1);
    catalogue cvs(state);
    api handlers([&cvs] { return cvs.current(); }, media(data));
    running_server server(make_routes(handlers));
    client peer(server.port());

    peer.send(get("/api/v1/cvs/ada/"));
    const auto first = peer.read();
    REQUIRE(first.status == 200);
    const auto tag = first.head.find("ETag: ") + 6;
    const auto etag = first.head.substr(tag, first.head.find('\r', tag) - tag);

    const auto what = GENERATE_COPY(values<work>({
        {"list", get("/api/v1/cvs/"), 200},
        {"section", get("/api/v1/cvs/ada/education/"), 200},
        {"CV", get("/api/v1/cvs/ada/"), 200},
        {"CV in br", get("/api/v1/cvs/ada/?lang=de", "Accept-Encoding: gzip, deflate, br\r\n"), 200},
        {"CV known already", get("/api/v1/cvs/ada/", "If-None-Match: " + etag + "\r\n"), 304},
        {"HEAD", "HEAD" + get("/api/v1/cvs/").substr(3), 200},
    }));
    INFO(what.name);
    const auto ask = [&](int times) {
        for (int i = 0; i < times; ++i) {
            peer.send(what.request);
            REQUIRE(peer.read(what.request.starts_with("HEAD")).status == what.status);
        }
    };
    ask(100);
    server.on_thread([] { allocations = 0, counting = true; });
    ask(1000);
    std::size_t counted = 1;
    server.on_thread([&] { counting = false, counted = allocations; });
    CHECK(counted == 0);
}

TEST_CASE("the counting of allocations counts")
{
    allocations = 0;
    counting = true;
    const std::string one(100, 'x');
    std::free(std::aligned_alloc(64, 64));
    counting = false;
    CHECK(allocations == 2);
    CHECK(one.size() == 100);
}

} // namespace

#endif

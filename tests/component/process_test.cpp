#include "harness.hpp"
#include "process/control.hpp"
#include "process/folder_watch.hpp"
#include "process/instance.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <poll.h>
#include <sys/stat.h>

using namespace cv;
using namespace cv::test;
using namespace std::chrono_literals;

namespace {

/// Whether a change comes to rest within so long.
bool comes(folder_watch& watch, std::chrono::milliseconds patience)
{
    const auto end = monotonic::now() + patience;
    while (monotonic::now() < end) {
        pollfd ready{watch.descriptor(), POLLIN, 0};
        ::poll(&ready, 1, 10);
        watch.update(monotonic::now());
        if (watch.due(monotonic::now()))
            return true;
    }
    return false;
}

} // namespace

TEST_CASE("a folder's changes are noticed once each, and only when they are whole")
{
    temporary_folder place;
    const auto folder = place.path() / "cvs";
    folder_watch watch;
    watch.set_folder(folder);
    std::filesystem::create_directory(folder); // it comes later
    CHECK(comes(watch, 5s));
    CHECK_FALSE(comes(watch, 400ms));
    {
        std::ofstream half(folder / "a.json");
        half << "{" << std::flush;
        CHECK_FALSE(comes(watch, 400ms));
    }
    CHECK(comes(watch, 5s)); // it has been closed
    std::filesystem::rename(folder / "a.json", folder / "b.json");
    CHECK(comes(watch, 5s));
    std::filesystem::remove(folder / "b.json");
    CHECK(comes(watch, 5s));
    std::filesystem::rename(folder, place.path() / "old");
    std::filesystem::create_directory(folder); // another one in its place
    CHECK(comes(watch, 5s));
    std::ofstream(folder / "c.json") << "{}";
    CHECK(comes(watch, 5s));
    CHECK_FALSE(comes(watch, 400ms));
}

TEST_CASE("an instance takes the lowest number that nobody living has")
{
    temporary_folder place;
    const auto run = (place.path() / "run").string();
    auto first = std::make_unique<instance>(run);
    const instance second(run);
    CHECK(first->name() == "query-0");
    CHECK(second.name() == "query-1");
    CHECK(find_instances(run).size() == 2);
    first.reset();
    REQUIRE(find_instances(run).size() == 1);
    CHECK(find_instances(run)[0].alive);
    // One that was killed leaves its files and no lock.
    std::filesystem::create_directory(run + "/query-7");
    std::ofstream(run + "/query-7/pid") << "1\n";
    CHECK_FALSE(find_instances(run)[1].alive);
    const instance third(run);
    CHECK(third.name() == "query-0");
    CHECK(find_instances(run).size() == 2);
}

TEST_CASE("the control socket answers its owner alone, and nobody can hold it up")
{
    temporary_folder place;
    const auto path = (place.path() / "control").string();
    control_socket socket(path);
    struct stat status{};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    std::atomic<bool> done{false};
    std::thread arbiter([&] {
        while (!done) {
            pollfd ready{socket.descriptor(), POLLIN, 0};
            ::poll(&ready, 1, 10);
            socket.serve([](std::string_view wish) { return "ok: " + std::string(wish); });
        }
    });
    CHECK(ask_arbiter(path, "drain") == "ok: drain");
    done = true;
    arbiter.join();
    CHECK_THAT(ask_arbiter(path + "-not-there", "drain"), Catch::StartsWith("error: "));
}

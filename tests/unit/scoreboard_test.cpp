#include "health/checks.hpp"
#include "health/scoreboard.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>

using namespace cv;
using namespace cv::health;
using namespace std::chrono_literals;

namespace {

std::string make_folder()
{
    std::string name = (std::filesystem::temp_directory_path() / "cv-unit-").string() + std::string(6, 'X');
    REQUIRE(::mkdtemp(name.data()));
    return name;
}

struct board_in_folder
{
    std::string folder = make_folder();
    std::string path = folder + "/scoreboard";
    scoreboard_file board = scoreboard_file::create(path);
    ~board_in_folder() { std::filesystem::remove_all(folder); }
};

} // namespace

TEST_CASE("requests are counted by kind, each in the bucket of its time")
{
    const auto counters = std::make_unique<worker_counters>();
    const request_kind good{request_method::get, 3, 200};
    const request_kind bad{request_method::get, 3, 404};
    counters->count_request(good, 10, 10us);
    counters->count_request(good, 10, 10001ns);
    counters->count_request(good, 10, 1h);
    counters->count_request(bad, 5, 0us);
    CHECK(counters->count(3, 200) == 3);
    CHECK(counters->count(3, 404) == 1);
    CHECK(counters->count(4, 200) == 0);
    CHECK(counters->body_bytes.get() == 35);
    for (const auto& series : counters->requests)
        if (series.kind.load() == good.packed()) {
            CHECK(series.latency[0].get() == 1); // an upper bound belongs to its bucket
            CHECK(series.latency[1].get() == 1);
            CHECK(series.latency[latency_buckets - 1].get() == 1);
            CHECK(series.nanoseconds.get() == 10'000 + 10'001 + 3'600'000'000'000);
        }
}

TEST_CASE("more kinds than there is room for lose no request")
{
    const auto counters = std::make_unique<worker_counters>();
    std::uint64_t sent = 0;
    for (std::uint16_t status = 100; status < 600; ++status, ++sent)
        counters->count_request({request_method::get, static_cast<std::uint8_t>(status % 10), status}, 0,
                                1us);
    std::uint64_t counted = 0;
    for (const auto& series : counters->requests)
        counted += series.count();
    CHECK(counted == sent);
}

TEST_CASE("kinds are told apart and read back")
{
    const request_kind kind{request_method::options, 23, 599};
    const auto same = request_kind::unpack(kind.packed());
    CHECK(same.method == kind.method);
    CHECK(same.route == kind.route);
    CHECK(same.status == kind.status);
    CHECK(request_method_from("HEAD") == request_method::head);
    CHECK(request_method_from("get") == request_method::other);
}

TEST_CASE("what one process writes another one reads, and a slot's counters stay with it")
{
    board_in_folder made;
    auto& board = *made.board;
    auto* const slot = made.board.free_slot();
    REQUIRE(slot);
    slot->pid.store(42);
    slot->state.store(worker_state::ready);
    slot->counters.count_request({request_method::get, 1, 200}, 7, 1us);
    board.listeners.set("http://127.0.0.1:1");
    auto* const other = made.board.free_slot();
    REQUIRE(other);
    CHECK(other != slot);
    CHECK(ready_workers(board) == 1);

    const auto reader = scoreboard_file::open(made.path);
    CHECK(reader->listeners.get() == "http://127.0.0.1:1");
    REQUIRE(used_slots(*reader).size() == 2);
    CHECK(used_slots(*reader)[0].counters.count(1, 200) == 1);

    slot->state.store(worker_state::none);
    slot->pid.store(0);
    CHECK(made.board.free_slot() == slot);
    CHECK(used_slots(*reader)[0].counters.count(1, 200) == 1);
}

TEST_CASE("a scoreboard of another layout is refused")
{
    board_in_folder made;
    const auto size = std::filesystem::file_size(made.path);
    SECTION("another size")
    {
        std::filesystem::resize_file(made.path, size - 1);
    }
    SECTION("another version")
    {
        made.board->version = scoreboard_version + 1;
    }
    CHECK_THROWS_WITH(scoreboard_file::open(made.path), Catch::Contains("another version"));
}

TEST_CASE("a shared text is read whole while it is written")
{
    const auto text = std::make_unique<shared_text<64>>();
    const std::string a(60, 'a');
    const std::string b(33, 'b');
    text->set(a);
    std::atomic<bool> done{false};
    std::thread writer([&] {
        for (int i = 0; i < 500; ++i) {
            text->set(i % 2 == 0 ? b : a);
            std::this_thread::sleep_for(1us); // a reader of one that never rests gives up
        }
        done = true;
    });
    bool whole = true;
    while (!done) {
        const auto seen = text->get();
        whole = whole && (seen == a || seen == b);
    }
    writer.join();
    CHECK(whole);
    text->set(std::string(100, 'c'));
    CHECK(text->get() == std::string(64, 'c'));
}

TEST_CASE("the workers check says what is wrong, and of which instance")
{
    board_in_folder made;
    auto& board = *made.board;
    board.wanted.set(2);
    board.state.store(instance_state::serving);
    const auto check_one = [&] {
        const observed_instance one{"query-0", true, &board};
        return check_workers({&one, 1});
    };
    CHECK(check_workers({}).result == state::error);
    CHECK(check_one().result == state::error); // nobody is ready
    for (int i = 0; i < 2; ++i) {
        auto* const slot = made.board.free_slot();
        slot->pid.store(1);
        slot->state.store(worker_state::ready);
    }
    CHECK(check_one().result == state::ok);
    board.reload_failure.set("PORT=x: allowed: a port");
    CHECK(check_one().result == state::warn);
    CHECK_THAT(check_one().message, Catch::Contains("query-0") && Catch::Contains("PORT=x"));
    board.reload_failure.set("");
    board.quick_deaths.set(5);
    board.last_death.set("signal 11");
    CHECK_THAT(check_one().message, Catch::Contains("signal 11"));
    const observed_instance gone{"query-1", false, &board};
    CHECK(check_workers({&gone, 1}).result == state::error);
}

TEST_CASE("an instance tells why it is not ready")
{
    board_in_folder made;
    CHECK(why_not_ready(*made.board) == "starting");
    made.board->state.store(instance_state::serving);
    CHECK(why_not_ready(*made.board).empty());
    made.board->drained.store(true);
    CHECK_THAT(why_not_ready(*made.board), Catch::Contains("undrain"));
    made.board->state.store(instance_state::stopping);
    CHECK(why_not_ready(*made.board) == "stopping");
}

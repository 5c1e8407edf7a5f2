#pragma once
#include "base/file.hpp"
#include "health/counters.hpp"
#include "health/shared_text.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

/// What an instance of the service knows of itself, in a file that all its processes map: the arbiter and the
/// loader write their parts, each worker its own slot, and the sidecar only reads. A crash loses nothing that
/// has been counted, and a worker's successor goes on with its counters, so totals never fall.
namespace cv::health {

enum class instance_state : std::uint32_t
{
    starting, ///< the first load runs, or no worker has been ready yet
    serving,
    stopping ///< it answers what has come, and ends
};
std::string_view name(instance_state state);

enum class worker_state : std::uint32_t
{
    none,     ///< the slot is free; its counters stay
    starting, ///< forked, accepts nothing yet
    ready,
    worn,   ///< as ready, and about to have served its MAX_REQUESTS
    leaving ///< answers what it has, accepts nothing more
};
std::string_view name(worker_state state);

/// A slot of one worker. The arbiter writes `pid`, `none`, `starting` and `relieved`, the worker all else.
struct worker_slot
{
    worker_counters counters;
    std::atomic<std::uint32_t> pid{0};
    std::atomic<worker_state> state{worker_state::none};
    std::atomic<bool> relieved{false}; ///< its successor is ready
    counter heartbeat;                 ///< any other number each time
    counter started;                   ///< seconds since the epoch
    counter answered;                  ///< requests of this worker alone, as of its last heartbeat
};

/// Why workers have ended.
enum class worker_end : std::uint8_t
{
    died,    ///< by itself: a crash, or killed from outside
    hung,    ///< without a heartbeat for TIMEOUT seconds
    worn,    ///< MAX_REQUESTS
    replaced ///< by a reload, or asked by a signal of its own
};
inline constexpr std::size_t worker_end_count = 4;
std::string_view name(worker_end why);

enum class load_phase : std::uint32_t
{
    none,      ///< no load has run yet
    waiting,   ///< for another loader to end
    compiling, ///< its `done` moves
    committing,
    good,  ///< ended well
    failed ///< and `load_board::failure` says why
};
std::string_view name(load_phase phase);

/// The loader's part; `loads`, `failures` and what a loader that was killed cannot write are the arbiter's.
struct load_board
{
    counter loads;    ///< ended, ever
    counter failures; ///< of those, that did not end well
    std::atomic<load_phase> phase{load_phase::none};
    counter done;  ///< files, of the load that runs or ran last
    counter total; ///< likewise
    // Of the last load that ended well:
    counter generation;
    counter loaded_at; ///< when the generation was made; seconds since the epoch
    counter documents;
    counter persons;
    counter compiled;
    counter unchanged;
    counter removed;
    counter refused;
    counter mismatched; ///< files that are not as SHA256SUMS says
    counter milliseconds;
    counter ended;            ///< seconds since the epoch
    shared_text<512> failure; ///< of the last load; empty when it ended well
};

inline constexpr std::uint32_t scoreboard_magic = 0x62735643; ///< "CVsb"
inline constexpr std::uint32_t scoreboard_version = 1;
inline constexpr std::size_t most_listener_text = 8192;
/// Workers of two generations side by side at the largest WEB_CONCURRENCY, and some that are still leaving.
/// The file is sparse: a slot that was never used takes no memory.
inline constexpr std::size_t most_slots = 2304;

/// The whole of it. `magic`, `version` and `size` tell a reader whether it has the same layout.
struct scoreboard
{
    std::uint32_t magic = scoreboard_magic;
    std::uint32_t version = scoreboard_version;
    std::uint64_t size = sizeof(scoreboard);
    std::atomic<std::uint32_t> arbiter{0}; ///< its pid
    std::atomic<instance_state> state{instance_state::starting};
    std::atomic<bool> drained{false};         ///< by an operator: serves on, but asks for no more
    std::atomic<std::uint32_t> log_level{0};  ///< log::level, for workers to follow
    std::atomic<std::uint32_t> slots_used{0}; ///< slots from here on were never used
    std::atomic<bool> load_wanted{
        false};        ///< by a worker that finds its catalogue gone; the arbiter clears it
    counter wanted;    ///< workers, as WEB_CONCURRENCY says
    counter started;   ///< seconds since the epoch
    counter heartbeat; ///< of the arbiter; any other number each time
    std::array<counter, worker_end_count> ends;
    counter quick_deaths; ///< workers that died within seconds of their start, in a row
    shared_text<256> last_death;
    counter reloads;                           ///< that took effect
    counter failed_reloads;                    ///< that did not: the settings before stay
    shared_text<512> reload_failure;           ///< of the last reload; empty when it took effect
    shared_text<most_listener_text> listeners; ///< URLs, one a line
    shared_text<32> program_version;
    counter routes; ///< in the service's table; what matches none is counted under this number
    std::array<shared_text<64>, most_routes> route_patterns;
    load_board load;
    std::array<worker_slot, most_slots> slots;
};

/// The scoreboard in a file. Thread-safe as far as the single writers of its parts keep to them; survives
/// fork(), and parent and child then share it.
class scoreboard_file
{
public:
    /// Makes a new one at `path` with mode 0640, replacing what is there. Throws std::runtime_error that
    /// names the path.
    static scoreboard_file create(const std::string& path);
    /// Maps one for reading. Throws likewise, also for a file of another layout.
    static scoreboard_file open(const std::string& path);

    scoreboard_file(scoreboard_file&& other) noexcept;
    scoreboard_file& operator=(scoreboard_file&& other) noexcept;
    ~scoreboard_file();

    scoreboard& operator*() const { return *board_; }
    scoreboard* operator->() const { return board_; }

    /// The free slot with the lowest number, once there is memory for it: writing where the file system has
    /// no room would end in SIGBUS. Null, and errno says why, when there is none.
    worker_slot* free_slot() const;

private:
    scoreboard_file(unique_fd file, scoreboard* board) : file_(std::move(file)), board_(board) {}
    unique_fd file_; ///< of one that may be written
    scoreboard* board_ = nullptr;
};

/// Slots in use or used before.
std::span<const worker_slot> used_slots(const scoreboard& board);

/// Workers that accept connections now.
std::size_t ready_workers(const scoreboard& board);

} // namespace cv::health

#pragma once
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace cv {

/// Why a request head was refused before any route was looked up.
enum class head_refusal : std::uint8_t
{
    malformed,
    uri_too_long,
    too_large,
    version,
    timeout,
    host
};
inline constexpr std::size_t head_refusal_count = 6;

/// As metrics and logs have it.
constexpr std::string_view name(head_refusal why)
{
    constexpr std::array<std::string_view, head_refusal_count> names = {
        "malformed", "uri_too_long", "too_large", "version", "timeout", "host"};
    return names[static_cast<std::size_t>(why)];
}

/// A number that one process writes and any may read: a relaxed load and store costs less than a nanosecond,
/// and there is nobody to race with. Lives as well in plain memory as in a mapped file.
class counter
{
public:
    void add(std::uint64_t amount = 1) { set(get() + amount); }
    void set(std::uint64_t value) { value_.store(value, std::memory_order_relaxed); }
    std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

inline constexpr std::size_t most_routes = 16;
inline constexpr std::size_t status_classes = 5;   ///< 1xx to 5xx
inline constexpr std::size_t latency_buckets = 24; ///< bucket n: below 2^n microseconds

/// What one worker counts. Written by that worker alone; read by anyone at any time. Standard layout, so that
/// it can lie in shared memory. Two workers' counters never share a cache line.
struct alignas(128) worker_counters
{
    /// By route (the last one counts requests that match no route) and class of status.
    std::array<std::array<counter, status_classes>, most_routes> requests;
    std::array<counter, latency_buckets> latency;
    std::array<counter, head_refusal_count> refused_heads;
    counter body_bytes;
    counter accepted; ///< connections, ever
    counter open;     ///< connections, now
    counter accept_failures;
    counter log_lines_dropped;

    void count_request(std::size_t route, unsigned status, std::uint64_t bytes,
                       std::chrono::microseconds duration)
    {
        requests[route < most_routes ? route : most_routes - 1][status / 100 - 1].add();
        body_bytes.add(bytes);
        const auto width =
            static_cast<std::size_t>(std::bit_width(static_cast<std::uint64_t>(duration.count())));
        latency[width < latency_buckets ? width : latency_buckets - 1].add();
    }
};

} // namespace cv

#pragma once
#include <array>
#include <atomic>
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

/// The methods that are told apart; whatever else a client sends is `other`.
enum class request_method : std::uint8_t
{
    get,
    head,
    options,
    post,
    other
};
inline constexpr std::size_t request_method_count = 5;

/// As metrics have it (OpenTelemetry's conventions).
constexpr std::string_view name(request_method method)
{
    constexpr std::array<std::string_view, request_method_count> names = {"GET", "HEAD", "OPTIONS", "POST",
                                                                          "_OTHER"};
    return names[static_cast<std::size_t>(method)];
}

constexpr request_method request_method_from(std::string_view text)
{
    for (std::size_t i = 0; i < request_method_count - 1; ++i)
        if (name(static_cast<request_method>(i)) == text)
            return static_cast<request_method>(i);
    return request_method::other;
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

/// What requests are counted by. `route` is the number of the route in the service's table.
struct request_kind
{
    request_method method = request_method::other;
    std::uint8_t route = 0;
    std::uint16_t status = 0;

    /// In one number, which is 0 for no kind at all: a status is never 0.
    constexpr std::uint32_t packed() const
    {
        return std::uint32_t{status} << 16 | std::uint32_t{route} << 8 | static_cast<std::uint32_t>(method);
    }
    static constexpr request_kind unpack(std::uint32_t packed)
    {
        return {static_cast<request_method>(packed & 0xff), static_cast<std::uint8_t>(packed >> 8 & 0xff),
                static_cast<std::uint16_t>(packed >> 16)};
    }
};

inline constexpr std::size_t most_routes = 24; ///< of a service; the last number counts what matches none

/// Upper bounds of the latency histogram's buckets; one more bucket takes what is slower.
inline constexpr std::array<std::chrono::microseconds, 18> latency_bounds = {
    std::chrono::microseconds(10),        std::chrono::microseconds(25),
    std::chrono::microseconds(50),        std::chrono::microseconds(100),
    std::chrono::microseconds(250),       std::chrono::microseconds(500),
    std::chrono::microseconds(1'000),     std::chrono::microseconds(2'500),
    std::chrono::microseconds(5'000),     std::chrono::microseconds(10'000),
    std::chrono::microseconds(25'000),    std::chrono::microseconds(50'000),
    std::chrono::microseconds(100'000),   std::chrono::microseconds(250'000),
    std::chrono::microseconds(500'000),   std::chrono::microseconds(1'000'000),
    std::chrono::microseconds(2'500'000), std::chrono::microseconds(10'000'000)};
inline constexpr std::size_t latency_buckets = latency_bounds.size() + 1;

/// The requests of one kind: how long each took.
struct request_series
{
    std::atomic<std::uint32_t> kind{0}; ///< request_kind::packed; 0 while the series is free
    counter nanoseconds;                ///< of all together
    std::array<counter, latency_buckets> latency;

    void add(std::chrono::nanoseconds duration)
    {
        std::size_t bucket = 0;
        while (bucket < latency_bounds.size() && duration > latency_bounds[bucket])
            ++bucket;
        nanoseconds.add(static_cast<std::uint64_t>(duration.count()));
        latency[bucket].add();
    }
    std::uint64_t count() const
    {
        std::uint64_t sum = 0;
        for (const auto& bucket : latency)
            sum += bucket.get();
        return sum;
    }
};

/// What one worker counts. Written by that worker alone; read by anyone at any time. Standard layout, so that
/// it can lie in shared memory. Two workers' counters never share a cache line.
struct alignas(128) worker_counters
{
    /// More than the kinds there can be but for a few: an open hash table by `kind`, whose entries never
    /// move.
    static constexpr std::size_t most_series = 256;
    std::array<request_series, most_series> requests;
    std::array<counter, head_refusal_count> refused_heads;
    counter body_bytes;
    counter accepted; ///< connections, ever
    counter open;     ///< connections, now
    counter accept_failures;
    counter log_lines_dropped;

    void count_request(request_kind kind, std::uint64_t bytes, std::chrono::nanoseconds duration)
    {
        series(kind.packed()).add(duration);
        body_bytes.add(bytes);
    }

    /// The requests that have been counted as one of these; for tests and reports.
    std::uint64_t count(std::size_t route, unsigned status) const
    {
        std::uint64_t sum = 0;
        for (const auto& one : requests)
            if (const auto kind = request_kind::unpack(one.kind.load(std::memory_order_acquire));
                kind.route == route && kind.status == status)
                sum += one.count();
        return sum;
    }

private:
    request_series& series(std::uint32_t packed)
    {
        constexpr std::uint32_t spread = 2654435769U; // 2^32 divided by the golden ratio
        std::size_t at = packed * spread >> 24;
        static_assert(most_series == 256);
        for (std::size_t tried = 0; tried < most_series; ++tried, at = (at + 1) % most_series) {
            const auto there = requests[at].kind.load(std::memory_order_relaxed);
            if (there == packed)
                return requests[at];
            if (there == 0) {
                requests[at].kind.store(packed, std::memory_order_release);
                return requests[at];
            }
        }
        return requests[at]; // full: counted, if not as what it is
    }
};

} // namespace cv

#pragma once
#include "base/clock.hpp"
#include "base/file.hpp"

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

namespace cv {

/// Where log lines go: a path, a standard stream or nowhere. Writing never waits: what a full disk or a
/// blocked pipe does not take is dropped and counted, because the service matters more than its log.
/// Thread-safe; several processes may append to one path.
class log_file
{
public:
    /// `target`: a path (made with mode 0640, appended to), `-` for `standard_stream`, `off` for nothing.
    /// Throws std::runtime_error that names the path when it cannot be opened.
    /// Unless `strict`: then lines are dropped and counted, and opening it is tried again every other second.
    log_file(const std::string& target, int standard_stream, bool strict = true);

    /// Whether lines are meant to be written at all.
    bool on() const { return fd_ || !path_.empty(); }

    /// Writes whole lines, each with its line feed.
    void write(std::string_view lines);

    /// Opens the path again, as after the file has been moved away; the one before is kept when it cannot be.
    /// False and errno then. Not to be called while another thread writes.
    bool reopen();

    /// Lines dropped so far.
    std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

private:
    void take(unique_fd fd);

    monotonic::time_point next_try_;
    std::string path_; ///< empty for a standard stream and for none
    unique_fd fd_;
    bool socket_ = false;
    bool regular_ = false;
    std::atomic<std::uint64_t> dropped_{0};
};

} // namespace cv

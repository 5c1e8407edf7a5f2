#pragma once
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
    log_file(const std::string& target, int standard_stream);

    /// Whether lines are written at all.
    bool on() const { return static_cast<bool>(fd_); }

    /// Writes whole lines, each with its line feed.
    void write(std::string_view lines);

    /// Opens the path again, as after the file has been moved away; the one before is kept when it cannot be.
    /// Not to be called while another thread writes.
    void reopen();

    /// Lines dropped so far.
    std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

private:
    void take(unique_fd fd);

    std::string path_; ///< empty for a standard stream and for none
    unique_fd fd_;
    bool socket_ = false;
    bool regular_ = false;
    std::atomic<std::uint64_t> dropped_{0};
};

} // namespace cv

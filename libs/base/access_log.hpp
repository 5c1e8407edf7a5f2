#pragma once
#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/log_file.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace cv {

/// What one access line tells; of `request_id` at most 64 bytes, of `method` 32, of `client` 17. `client` is
/// the pseudonym of the client's address, never the address.
struct access_entry
{
    std::string_view request_id;
    std::string_view client;
    std::string_view method;
    std::string_view target;
    unsigned status = 0;
    std::uint64_t bytes = 0; ///< of the body, as sent
    std::chrono::microseconds duration{};
    std::chrono::system_clock::time_point time; ///< of the answer
};

/// Collects access lines in a buffer that is made once, and writes them in batches: a line costs neither an
/// allocation nor a system call. Not thread-safe: each worker has its own; lines of several workers in one
/// file do not mix, because whole lines are appended.
class access_log
{
public:
    /// `target` and `strict` as for `log_file`, `-` being standard output.
    access_log(const std::string& target, log::format style, bool strict = true);
    ~access_log() { flush(); }
    access_log(const access_log&) = delete;
    access_log& operator=(const access_log&) = delete;

    void write(const access_entry& entry);

    /// Writes what has been collected; the server calls it a few times a second.
    void flush();

    /// Writes what has been collected and opens the target again; false as for `log_file`.
    bool reopen();

    std::uint64_t dropped() const { return file_.dropped(); }

private:
    log_file file_;
    log::format style_;
    std::unique_ptr<char[]> buffer_; ///< room for a batch, made once
    std::size_t size_ = 0;
};

} // namespace cv

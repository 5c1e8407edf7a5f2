#include "base/log_file.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <fcntl.h>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace cv {
namespace {

/// A descriptor for the standard stream whose O_NONBLOCK is ours alone: the stream's own open file is shared
/// with whoever started us (a terminal, a shell), and must keep blocking for them.
unique_fd own_stream(int stream)
{
    struct stat status{};
    const bool regular = ::fstat(stream, &status) == 0 && S_ISREG(status.st_mode);
    const std::string path = "/proc/self/fd/" + std::to_string(stream);
    // A file never blocks, and opened anew it would be written from an offset of our own, over others' lines.
    unique_fd fd(regular ? -1
                         : ::open(path.c_str(), O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
    return fd ? std::move(fd) : unique_fd(::fcntl(stream, F_DUPFD_CLOEXEC, 3));
}

} // namespace

log_file::log_file(const std::string& target, int standard_stream, bool strict)
{
    if (target == "off")
        return;
    if (target == "-") {
        take(own_stream(standard_stream));
        return;
    }
    path_ = target;
    if (!reopen() && strict)
        throw std::runtime_error("cannot open the log " + target + ": " + errno_message(errno));
}

bool log_file::reopen()
{
    if (path_.empty())
        return true;
    if (unique_fd fd(::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0640)); fd)
        take(std::move(fd));
    else
        return false;
    return true;
}

void log_file::take(unique_fd fd)
{
    fd_ = std::move(fd);
    struct stat status{};
    if (fd_ && ::fstat(fd_.get(), &status) == 0) {
        socket_ = S_ISSOCK(status.st_mode);
        regular_ = S_ISREG(status.st_mode);
    }
}

void log_file::write(std::string_view lines)
{
    constexpr auto pause = std::chrono::seconds(2);
    if (!fd_) {
        if (const auto now = monotonic::now(); now >= next_try_) {
            next_try_ = now + pause;
            reopen();
        }
    }
    if (!fd_) {
        if (on())
            dropped_.fetch_add(static_cast<std::uint64_t>(std::count(lines.begin(), lines.end(), '\n')),
                               std::memory_order_relaxed);
        return;
    }
    while (!lines.empty()) {
        // A pipe takes up to PIPE_BUF whole or not at all: so a line is never torn, nor mixed with another's.
        auto part = lines;
        if (!regular_ && part.size() > PIPE_BUF) {
            const auto end = part.rfind('\n', PIPE_BUF - 1);
            part = part.substr(0, end == part.npos ? part.find('\n') + 1 : end + 1);
        }
        pollfd ready{fd_.get(), POLLOUT, 0};
        ssize_t written = -1;
        if (socket_)
            written = ::send(fd_.get(), part.data(), part.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        else if (regular_ || ::poll(&ready, 1, 0) > 0)
            written = ::write(fd_.get(), part.data(), part.size());
        if (written < static_cast<ssize_t>(part.size())) {
            const auto rest = written > 0 ? part.substr(static_cast<std::size_t>(written)) : part;
            dropped_.fetch_add(static_cast<std::uint64_t>(std::count(rest.begin(), rest.end(), '\n')),
                               std::memory_order_relaxed);
        }
        lines.remove_prefix(part.size());
    }
}

} // namespace cv

#include "process/systemd.hpp"

#include "base/text.hpp"

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <fcntl.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace cv {
namespace {

constexpr int first_inherited = 3; // SD_LISTEN_FDS_START

/// A variable's number; nothing when it is not there or no number.
std::optional<std::uint64_t> number_in(const char* name)
{
    const char* const value = std::getenv(name); // NOLINT(concurrency-mt-unsafe): before there are threads
    return value ? parse_unsigned<std::uint64_t>(value) : std::nullopt;
}

/// Whether a variable that names a process names this one.
bool names_us(const char* name)
{
    return number_in(name) == static_cast<std::uint64_t>(::getpid());
}

listening_socket adopt(int fd)
{
    int listening = 0;
    int type = 0;
    socklen_t size = sizeof listening;
    if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || listening == 0 ||
        ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM)
        throw std::runtime_error("LISTEN_FDS: descriptor " + std::to_string(fd) +
                                 " is not a listening stream socket");
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
    listening_socket socket{unique_fd(fd), {}, {}};
    sockaddr_storage address{};
    size = sizeof address;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0)
        socket.where = endpoint_of(address, size);
    return socket;
}

} // namespace

void notify_manager(const std::string& lines)
{
    const char* const path = std::getenv("NOTIFY_SOCKET"); // NOLINT(concurrency-mt-unsafe): never set by us
    sockaddr_un address{};
    const std::string_view name = path ? path : "";
    if (name.size() < 2 || name.size() >= sizeof address.sun_path)
        return;
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path, name.size());
    if (name.front() == '@') // the abstract namespace
        address.sun_path[0] = '\0';
    const unique_fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket)
        return;
    ::sendto(socket.get(), lines.data(), lines.size(), MSG_NOSIGNAL,
             reinterpret_cast<const sockaddr*>(&address),
             static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size()));
}

std::chrono::microseconds watchdog_period()
{
    const auto period = number_in("WATCHDOG_USEC").value_or(0);
    const bool ours = !number_in("WATCHDOG_PID") || names_us("WATCHDOG_PID");
    return std::chrono::microseconds(ours ? period : 0);
}

std::vector<listening_socket> inherited_sockets()
{
    std::vector<listening_socket> sockets;
    const auto count = static_cast<int>(number_in("LISTEN_FDS").value_or(0));
    if (names_us("LISTEN_PID"))
        for (int i = 0; i < count; ++i)
            sockets.push_back(adopt(first_inherited + i));
    for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"})
        ::unsetenv(name); // NOLINT(concurrency-mt-unsafe): before there are threads
    return sockets;
}

} // namespace cv

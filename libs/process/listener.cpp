#include "process/listener.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace cv {
namespace {

[[noreturn]] void fail(const endpoint& where, int code)
{
    throw std::runtime_error("cannot listen on " + to_string(where) + ": " + errno_message(code) +
                             (code == EADDRINUSE ? "; another program does, or BIND names it twice" : ""));
}

/// Removes a unix socket that its owner left behind: one that refuses connections.
void remove_stale(const endpoint& where, const sockaddr_storage& address, socklen_t size)
{
    struct stat status{};
    if (::lstat(where.path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode))
        return;
    const unique_fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (probe && ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 &&
        errno == ECONNREFUSED)
        ::unlink(where.path.c_str());
}

} // namespace

listening_socket listen_on(const endpoint& where)
{
    sockaddr_storage address{};
    const auto size = to_sockaddr(where, address);
    listening_socket result{
        unique_fd(::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)), where, {}};
    const int fd = result.socket.get();
    const int on = 1;
    if (fd < 0)
        fail(where, errno);
    if (where.is_unix())
        remove_stale(where, address, size);
    else
        ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address.ss_family == AF_INET6)
        ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), size) != 0)
        fail(where, errno);
    constexpr mode_t everyone = 0666;
    if (where.is_unix() && ::chmod(where.path.c_str(), everyone) != 0)
        fail(where, errno);
    struct stat made{};
    if (where.is_unix() && ::stat(where.path.c_str(), &made) == 0)
        result.file = {made.st_dev, made.st_ino};
    constexpr int backlog = 4096;
    if (::listen(fd, backlog) != 0)
        fail(where, errno);
    socklen_t real_size = sizeof address;
    if (!where.is_unix() && ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &real_size) == 0)
        result.where.port = endpoint_of(address, real_size).port;
    return result;
}

void listening_socket::remove_file() const
{
    struct stat status{};
    if (where.is_unix() && ::stat(where.path.c_str(), &status) == 0 &&
        file == std::pair(status.st_dev, status.st_ino))
        ::unlink(where.path.c_str());
}

void listening_socket::shut() const
{
    if (where.is_unix())
        return remove_file();
    // Classic BPF on the TCP header (socket(7), SO_ATTACH_FILTER): byte 13 holds the flags.
    constexpr std::uint32_t flags_at = 13;
    constexpr std::uint32_t syn = 0x02;
    sock_filter code[] = {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, flags_at),
                          BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, syn, 0, 1), BPF_STMT(BPF_RET | BPF_K, 0),
                          BPF_STMT(BPF_RET | BPF_K, 0xffffffff)};
    const sock_fprog program{static_cast<unsigned short>(std::size(code)), code};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

std::string url_of(const endpoint& where)
{
    return (where.is_unix() ? "" : "http://") + to_string(where);
}

} // namespace cv

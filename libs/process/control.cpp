#include "process/control.hpp"

#include "base/address.hpp"

#include <cerrno>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace cv {

control_socket::control_socket(const std::string& path)
    : socket_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0))
{
    sockaddr_storage address{};
    const auto where = parse_endpoint("unix:" + path);
    if (!where)
        throw std::runtime_error("the path " + path + " is too long for a socket; CV_RUN_DIR begins it");
    const auto size = to_sockaddr(*where, address);
    ::unlink(path.c_str());
    constexpr mode_t others = 0177;
    const auto before = ::umask(others); // never, not even for a moment, open to others
    const bool bound =
        socket_ && ::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0;
    ::umask(before);
    constexpr int backlog = 16;
    if (!bound || ::listen(socket_.get(), backlog) != 0)
        throw std::runtime_error("cannot listen on unix:" + path + ": " + errno_message(errno) +
                                 "; CV_RUN_DIR names its place");
}

bool control_socket::serve(const std::function<std::string(std::string_view)>& answer)
{
    constexpr int patience = 20; // milliseconds; those who connect are ours, and ask at once
    for (;;) {
        const unique_fd caller(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!caller)
            return errno != EMFILE && errno != ENFILE;
        char message[longest_control_message];
        pollfd ready{caller.get(), POLLIN, 0};
        if (::poll(&ready, 1, patience) != 1)
            continue;
        const auto got = ::recv(caller.get(), message, sizeof message, 0);
        if (got <= 0)
            continue;
        const auto reply = answer({message, static_cast<std::size_t>(got)});
        ::send(caller.get(), reply.data(), reply.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

std::string ask_arbiter(const std::string& path, const std::string& wish)
{
    const unique_fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    const timeval patience{0, 500'000}; // for each step
    const auto where = parse_endpoint("unix:" + path);
    sockaddr_storage address{};
    char answer[longest_control_message];
    ssize_t got = -1;
    if (where && socket &&
        ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
        ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0 &&
        ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), to_sockaddr(*where, address)) ==
            0 &&
        ::send(socket.get(), wish.data(), wish.size(), MSG_NOSIGNAL) > 0)
        got = ::recv(socket.get(), answer, sizeof answer, 0);
    if (got <= 0)
        return "error: not confirmed, the arbiter does not answer on " + path +
               (errno == EAGAIN ? "" : ": " + errno_message(errno));
    return {answer, static_cast<std::size_t>(got)};
}

} // namespace cv

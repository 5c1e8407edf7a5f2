#pragma once
#include "base/clock.hpp"
#include "base/file.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdint>
#include <optional>
#include <sys/epoll.h>
#include <vector>

namespace cv::http {

/// Waits for many sockets as one: an epoll set of its own, which Asio knows as a single descriptor.
///
/// Asio's async_wait arms a socket again for each wait, a system call a request. Here a socket is entered
/// once, edge-triggered, and all that are ready are served for one wait of Asio's (docs/decisions/0007).
/// Not thread-safe.
class poll_set
{
public:
    /// One socket in the set, and the coroutine that waits for it. The socket must outlive it.
    class member
    {
    public:
        /// Throws std::system_error when the kernel has no room for it.
        member(poll_set& owner, int socket);
        ~member();
        member(const member&) = delete;
        member& operator=(const member&) = delete;

        /// Completes when more has come or more can be sent than when a call on the socket last fell short of
        /// what was asked (epoll(7)), or on wake(). One wait at a time.
        boost::asio::awaitable<void> async_wait()
        {
            return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void()>(
                [this](completion&& resume) { waiting_.emplace(std::move(resume)); },
                boost::asio::use_awaitable);
        }

        /// Completes when the others that are ready have had their turn, or on wake().
        boost::asio::awaitable<void> async_yield();

        /// The other side has said its last: what is left to read is there, and nothing will announce it.
        bool ended() const { return ended_; }

        /// Resumes the coroutine that waits, here and now; it may end and destroy this member.
        void wake();

    private:
        friend class poll_set;
        using completion = boost::asio::async_result<boost::asio::use_awaitable_t<>, void()>::handler_type;

        poll_set& set_;
        int socket_;
        bool ended_ = false;
        bool yielded_ = false; ///< is in the set's list
        std::optional<completion> waiting_;
    };

    explicit poll_set(boost::asio::io_context& context);

    /// Wakes members as their sockets get ready, until close().
    boost::asio::awaitable<void> run();
    void close();

    /// When a member was last woken, or, if that is later, whatever it has set: the clock costs more than
    /// some of what is done for a request, so one reading ends an answer and begins the next.
    monotonic::time_point now;

private:
    boost::asio::io_context& context_;
    boost::asio::posix::stream_descriptor epoll_;
    std::vector<member*> yielded_; ///< to be woken behind those that are ready
    std::vector<member*> turn_;    ///< of those, the ones whose turn it is
};

} // namespace cv::http

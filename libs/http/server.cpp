#include "http/server.hpp"

#include "base/digest.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "http/session.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace cv::http {
namespace {

using boost::asio::redirect_error;
using boost::asio::use_awaitable;

/// For what the server cannot do without: its exception ends io_context::run().
constexpr auto must_not_fail = [](const std::exception_ptr& error) {
    if (error)
        std::rethrow_exception(error);
};

constexpr int most_waiting = 4096; ///< as long as a queue is made

constexpr auto tick = std::chrono::milliseconds(250);

/// The life of a connection: the session lies in this coroutine's frame.
boost::asio::awaitable<void> serve(server& owner, unique_fd socket, peer_info peer)
{
    try {
        session connection(owner, std::move(socket), peer);
        co_await connection.run();
    } catch (const std::exception& error) {
        log::write(log::level::error, "http", "a connection ended early", {{"reason", error.what()}});
    }
}

} // namespace

server::server(boost::asio::io_context& context, const dispatcher& dispatch, access_log& access,
               worker_counters& counters, server_options options)
    : context_(context), dispatch_(dispatch), access_(access), counters_(counters),
      options_(std::move(options)), dropped_before_(counters.log_lines_dropped.get()), timer_(context),
      sockets_(context), received_(2 * largest_head, '\0')
{
    if (options_.most_requests > 0) {
        // Early enough for a successor to be ready when the number is reached.
        next_mark_ = options_.most_requests - options_.most_requests / 4;
        std::uint64_t random = 0;
        random_bytes(&random, sizeof random);
        const auto spread = options_.most_requests_spread; // its last number has no number behind it
        limit_ = options_.most_requests + (spread > 0 ? random % spread : 0);
    }
    counters_.open.set(0);
    random_bytes(&id_key_, sizeof id_key_);
    set_wall_clock();
    boost::asio::co_spawn(context_, sockets_.run(), must_not_fail);
    boost::asio::co_spawn(context_, tick_loop(), must_not_fail);
}

server::~server()
{
    for_each_session([](session_hook& session) { session.abandon(); });
}

void server::listen(int socket)
{
    listeners_.push_back(std::make_shared<listener>(context_, ::fcntl(socket, F_DUPFD_CLOEXEC, 3)));
    boost::asio::co_spawn(context_, accept_loop(listeners_.back()), must_not_fail);
}

boost::asio::awaitable<void> server::accept_loop(std::shared_ptr<listener> from)
{
    boost::asio::steady_timer pause(context_);
    while (!draining_) {
        boost::system::error_code error;
        co_await from->async_wait(listener::wait_read, redirect_error(use_awaitable, error));
        if (error)
            break;
        constexpr int most_at_once = 64; // connections that are served already get their turn
        if (others_first_ && others_first_()) {
            pause.expires_after(std::chrono::microseconds(300));
            co_await pause.async_wait(redirect_error(use_awaitable, error));
            if (draining_)
                break;
        }
        if (accept_waiting(*from, others_first_ ? 1 : most_at_once))
            continue;
        // Out of descriptors or memory: wait for some to be freed, rather than spin on a full queue.
        pause.expires_after(std::chrono::milliseconds(100));
        co_await pause.async_wait(redirect_error(use_awaitable, error));
    }
}

bool server::accept_waiting(listener& from, int most)
{
    for (int i = 0; i < most; ++i) {
        if (sessions_.size() >= options_.most_connections)
            return false;
        sockaddr_storage peer{};
        socklen_t size = sizeof peer;
        unique_fd socket(::accept4(from.native_handle(), reinterpret_cast<sockaddr*>(&peer), &size,
                                   SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (socket) {
            start(std::move(socket), peer);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            counters_.accept_failures.add();
            if (const auto now = monotonic::now(); now >= next_accept_warning_) {
                next_accept_warning_ = now + std::chrono::seconds(10);
                log::write(log::level::error, "http", "cannot accept connections; trying again and again",
                           {{"reason", errno_message(errno)}});
            }
            return false;
        }
        if (errno == EAGAIN)
            break;
    }
    return true;
}

void server::start(unique_fd socket, const sockaddr_storage& peer)
{
    if (peer.ss_family != AF_UNIX) {
        const int on =
            1; // an answer is written at once, so nothing is gained by holding back its last segment
        ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    peer_info who;
    who.address = address_of(peer);
    who.trusted = options_.trusted.contains(who.address);
    boost::asio::co_spawn(context_, serve(*this, std::move(socket), who), boost::asio::detached);
}

boost::asio::awaitable<void> server::tick_loop()
{
    while (!(draining_ && sessions_.empty())) {
        boost::system::error_code error;
        timer_.expires_after(tick);
        co_await timer_.async_wait(redirect_error(use_awaitable, error));
        const auto now = monotonic::now();
        set_wall_clock();
        for_each_session([now](session_hook& session) { session.enforce(now); });
        access_.flush();
        counters_.log_lines_dropped.set(dropped_before_ + access_.dropped() + log::dropped());
        if (now > drain_deadline_ && !sessions_.empty()) {
            log::write(log::level::warning, "http", "connections are left at the end of GRACEFUL_TIMEOUT");
            for_each_session([](session_hook& session) { session.abandon(); });
        }
        if (on_tick_)
            on_tick_();
    }
    sockets_.close();
}

void server::wear()
{
    if (draining_ || !may_leave_ || !may_leave_() || answered_ < options_.most_requests)
        return;
    // Each open connection may still ask once.
    const auto latest = options_.most_requests + options_.most_requests_spread;
    if (answered_ >= limit_ || answered_ + sessions_.size() >= latest)
        drain(options_.drain_timeout);
}

void server::drain(std::chrono::seconds longest, bool take_waiting)
{
    if (take_waiting)
        for (const auto& from : listeners_)
            accept_waiting(*from, most_waiting);
    draining_ = true;
    drain_deadline_ = monotonic::now() + longest;
    for (const auto& from : listeners_) {
        boost::system::error_code ignored;
        from->close(ignored);
    }
    listeners_.clear();
    const auto idle_deadline = monotonic::now() + options_.linger;
    for_each_session([idle_deadline](session_hook& session) { session.drain(idle_deadline); });
    timer_.cancel();
}

template <class Each>
void server::for_each_session(Each each)
{
    for (auto next = sessions_.begin(); next != sessions_.end();)
        each(*next++);
}

void server::set_wall_clock()
{
    wall_offset_ = std::chrono::system_clock::now().time_since_epoch() - monotonic::now().time_since_epoch();
}

std::string_view server::fresh_id(char (&buffer)[64])
{
    // Unguessable and unique, without a system call each time: a keyed hash of a counter, twice.
    const std::string_view count(reinterpret_cast<const char*>(&id_count_), sizeof id_count_);
    for (std::size_t half = 0; half < 2; ++half) {
        ++id_count_;
        write_hex(buffer + half * 16, siphash(id_key_, count));
    }
    return {buffer, 32};
}

} // namespace cv::http

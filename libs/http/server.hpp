#pragma once
#include "base/access_log.hpp"
#include "base/clock.hpp"
#include "base/siphash.hpp"
#include "health/counters.hpp"
#include "http/dispatcher.hpp"
#include "http/poll_set.hpp"
#include "http/request.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

namespace cv::http {

/// Deadlines and trust of a server.
struct server_options
{
    std::chrono::seconds head_timeout{10};  ///< for a whole head, from its first byte
    std::chrono::seconds keepalive{75};     ///< for an idle connection
    std::chrono::seconds write_timeout{30}; ///< for an answer, and a second more for each write_floor of it
    std::uint64_t write_floor = 16 * 1024;  ///< bytes a second that a client must take
    std::chrono::seconds linger{2};         ///< for the client to close first
    std::chrono::seconds drain_timeout{30}; ///< of the drain after `most_requests`
    std::size_t most_connections = std::numeric_limits<std::size_t>::max(); ///< the others wait in the queue
    std::uint64_t most_requests = 0;        ///< then it drains by itself; 0: any number
    std::uint64_t most_requests_spread = 0; ///< it may take so many more
    peer_list trusted;
    siphash_key client_key{}; ///< pseudonymises client addresses in the access log
};

class session;

/// What the server keeps its sessions by.
class session_hook : public boost::intrusive::list_base_hook<>
{
public:
    virtual ~session_hook() = default;
    virtual void enforce(monotonic::time_point now) = 0;
    virtual void drain(monotonic::time_point idle_deadline) = 0;
    virtual void abandon() = 0;
};

/// Serves connections on one thread with one io_context: the sessions share its buffers, so that an idle
/// connection holds none. Not thread-safe; a process runs one. Made after fork(), with SIGPIPE ignored.
class server
{
public:
    server(boost::asio::io_context& context, const dispatcher& dispatch, access_log& access,
           worker_counters& counters, server_options options);
    ~server();
    server(const server&) = delete;
    server& operator=(const server&) = delete;

    /// Accepts on a bound, listening, non-blocking socket, of which it keeps a descriptor of its own.
    void listen(int socket);

    /// Called a few times a second on the server's thread.
    void set_tick(std::function<void()> tick) { on_tick_ = std::move(tick); }

    /// Asked before each accept whether others are better placed to take the connection: they then get a
    /// moment to do so. Without it all that wait are taken at once.
    void set_gate(std::function<bool()> others_first) { others_first_ = std::move(others_first); }

    /// Called when `most_requests` is near, and again for each request from then on, until it returns true:
    /// it may drain. It must do so before it stops serving anything.
    void set_worn(std::function<bool()> may_leave) { may_leave_ = std::move(may_leave); }

    /// Stops accepting, ends idle connections and closes the others behind their next answer; the io_context
    /// runs out of work when all are gone, at the latest after `longest`. `take_waiting`: connections that
    /// wait to be accepted are taken first, because nobody else will.
    void drain(std::chrono::seconds longest, bool take_waiting = false);
    bool draining() const { return draining_; }

    std::size_t connections() const { return sessions_.size(); }
    std::uint64_t answered() const { return answered_; }

private:
    friend class session;
    using listener = boost::asio::posix::stream_descriptor;

    boost::asio::awaitable<void> accept_loop(std::shared_ptr<listener> from);
    boost::asio::awaitable<void> tick_loop();
    /// Accepts at most so many that wait; false when descriptors or memory are used up.
    bool accept_waiting(listener& from, int most);
    /// Counts an answer towards `most_requests`.
    void count_answer()
    {
        if (++answered_ >= next_mark_)
            wear();
    }
    void wear();
    void start(unique_fd socket, const sockaddr_storage& peer);
    /// Calls `each` with every session, which may end in it.
    template <class Each>
    void for_each_session(Each each);
    std::string_view fresh_id(char (&buffer)[64]);
    /// The wall clock at a moment of the monotonic one, without asking it: a request reads one clock.
    std::chrono::system_clock::time_point wall_clock(monotonic::time_point now) const
    {
        return std::chrono::system_clock::time_point(
            std::chrono::duration_cast<std::chrono::system_clock::duration>(now.time_since_epoch() +
                                                                            wall_offset_));
    }
    void set_wall_clock();

    boost::asio::io_context& context_;
    const dispatcher& dispatch_;
    access_log& access_;
    worker_counters& counters_;
    server_options options_;
    std::function<void()> on_tick_;
    std::function<bool()> others_first_;
    std::function<bool()> may_leave_;
    std::uint64_t answered_ = 0;
    std::uint64_t limit_ = 0; ///< most_requests and this server's part of the spread
    std::uint64_t next_mark_ = std::numeric_limits<std::uint64_t>::max(); ///< wear() is called from here on
    std::uint64_t dropped_before_; ///< log lines, by those that counted here earlier
    boost::asio::steady_timer timer_;
    poll_set sockets_;
    std::vector<std::shared_ptr<listener>> listeners_;
    boost::intrusive::list<session_hook> sessions_;
    bool draining_ = false;
    monotonic::time_point next_accept_warning_;
    monotonic::time_point drain_deadline_ = monotonic::time_point::max();
    std::chrono::nanoseconds wall_offset_{}; ///< from the monotonic clock to the wall clock

    // What every request needs while it is answered, and no connection while it waits.
    std::string received_; ///< room for more than the largest head
    std::size_t received_size_ = 0;
    std::string scratch_;
    std::string path_scratch_;
    request_parser parser_;
    response response_;
    http_date date_;
    siphash_key id_key_{};
    std::uint64_t id_count_ = 0;
};

} // namespace cv::http

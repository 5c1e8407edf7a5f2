#pragma once
#include "http/server.hpp"

#include <boost/asio/awaitable.hpp>

namespace cv::http {

/// One connection. It waits without a buffer: what it has received lies in the server's, and only what is
/// left over when it must wait is kept here. So nothing in it may refer to the server's buffers across a
/// co_await.
class session final : public session_hook
{
public:
    session(server& owner, unique_fd socket, const peer_info& peer);
    ~session() override;
    session(const session&) = delete;
    session& operator=(const session&) = delete;

    /// Serves the connection to its end.
    boost::asio::awaitable<void> run();

    /// Ends it when its deadline has passed; the server calls it on its tick.
    void enforce(monotonic::time_point now) override;

    /// Ends it behind its next answer; when it is idle, at that time.
    void drain(monotonic::time_point idle_deadline) override;

    /// Ends it at once, whatever it is doing.
    void abandon() override;

private:
    /// How far an answer went.
    enum class flushed
    {
        all,     ///< to its end, or to the connection's
        blocked, ///< until the client takes more
        partly   ///< as far as one turn goes
    };

    /// An answer that the client did not take at once, with what its log line needs.
    struct pending
    {
        response answer;
        std::string id;
        std::string method;
        std::string target;
        flushed progress = flushed::blocked;
    };
    enum class received
    {
        bytes,
        nothing,
        end
    };

    received receive();
    void answer_next(std::string_view text);
    void expire();
    /// `text`: what has come of the head.
    void refuse(head_refusal why, std::string_view text);
    void send(response& out);
    flushed flush(response& out);
    flushed flush_file(response& out);
    boost::asio::awaitable<void> wait_for_input();
    void keep_pending(flushed progress);
    bool turn_is_over() const;
    std::chrono::seconds idle_time() const;
    void finish(const response& out);
    std::string_view pseudonym(const std::optional<ip_address>& address, char (&buffer)[17]) const;
    std::string_view client_of(const request& in);
    /// A probe of our own that finds all well: every other second one of them would fill the access log.
    bool is_own_probe(const request& in, const response& out) const;
    boost::asio::awaitable<void> send_pending();
    boost::asio::awaitable<void> linger();

    server& server_;
    unique_fd socket_;
    poll_set::member poll_;
    peer_info peer_;
    monotonic::time_point deadline_;
    std::string carry_; ///< received, not yet a whole head
    head_scanner scanner_;
    std::unique_ptr<pending> pending_;
    bool open_ = true;
    bool expired_ = false; ///< the deadline has passed
    bool broken_ = false;  ///< nothing more can be sent
    bool unread_ = false;  ///< there may be more to read, and nothing will announce it
    bool waiting_ = true;  ///< for the first byte of a request

    // Of the answer that is being made or sent.
    bool head_only_ = false;
    bool logged_ = true;
    std::uint64_t sent_ = 0;
    std::size_t route_ = 0;
    monotonic::time_point turn_began_;
    monotonic::time_point now_; ///< when the bytes came, or the answer before went
    access_entry entry_;
    char peer_client_[17] = {};
    char forwarded_client_[17] = {};
    char id_[64] = {};
};

} // namespace cv::http

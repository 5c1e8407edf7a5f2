#include "http/session.hpp"

#include "base/log.hpp"
#include "base/text.hpp"
#include "http/client.hpp"

#include <algorithm>
#include <cerrno>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

namespace cv::http {
namespace {

bool is_request_id(std::string_view text)
{
    return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
               c == '_' || c == '-';
    });
}

} // namespace

session::session(server& owner, unique_fd socket, const peer_info& peer)
    : server_(owner), socket_(std::move(socket)), poll_(owner.sockets_, socket_.get()), peer_(peer),
      deadline_(monotonic::now() + owner.options_.head_timeout)
{
    server_.sessions_.push_back(*this);
    server_.counters_.accepted.add();
    server_.counters_.open.set(server_.sessions_.size());
}

session::~session()
{
    server_.sessions_.erase(server_.sessions_.iterator_to(*this));
    server_.counters_.open.set(server_.sessions_.size());
}

void session::expire()
{
    expired_ = true;
    poll_.wake();
}

void session::enforce(monotonic::time_point now)
{
    if (now >= deadline_)
        expire();
}

void session::drain(monotonic::time_point idle_deadline)
{
    if (waiting_)
        deadline_ = std::min(deadline_, idle_deadline);
}

void session::abandon()
{
    broken_ = true;
    expire();
}

bool session::turn_is_over() const
{
    // One client with much to ask must not keep the others waiting.
    constexpr auto turn = std::chrono::milliseconds(1);
    return now_ - turn_began_ >= turn;
}

std::chrono::seconds session::idle_time() const
{
    return server_.draining_ ? server_.options_.linger : server_.options_.keepalive;
}

boost::asio::awaitable<void> session::wait_for_input()
{
    return unread_ ? poll_.async_yield() : poll_.async_wait();
}

boost::asio::awaitable<void> session::run()
{
    while (open_) {
        const bool waits = !unread_ || turn_is_over();
        if (waits)
            co_await wait_for_input();
        if (expired_) {
            if (carry_.empty() || broken_)
                co_return; // nothing is under way, so a plain close tells all
            now_ = monotonic::now();
            refuse(head_refusal::timeout, carry_);
            break;
        }
        if (const auto got = receive(); got == received::end)
            co_return;
        else if (got == received::nothing)
            continue;
        now_ = server_.sockets_.now;
        if (waiting_)
            deadline_ = now_ + server_.options_.head_timeout;
        waiting_ = false;
        if (waits)
            turn_began_ = now_;

        std::size_t begin = 0;
        while (open_) {
            const auto rest =
                std::string_view(server_.received_).substr(begin, server_.received_size_ - begin);
            const auto progress = scanner_.scan(rest);
            if (progress == head_scanner::progress::incomplete)
                break;
            if (progress == head_scanner::progress::refused) {
                refuse(scanner_.why(), rest);
            } else {
                begin += scanner_.end();
                answer_next(rest.substr(scanner_.begin(), scanner_.end() - scanner_.begin()));
            }
            scanner_ = {};
            deadline_ = now_ + server_.options_.head_timeout; // of the next one, if it has begun
            const bool more = begin < server_.received_size_;
            if (!pending_ && !(more && open_ && turn_is_over()))
                continue;
            // Nothing may refer to the server's buffers while this session waits.
            carry_.assign(server_.received_, begin, server_.received_size_ - begin);
            if (pending_)
                co_await send_pending();
            else
                co_await poll_.async_yield();
            unread_ = true; // what has come meanwhile will not be announced again
            open_ = open_ && !broken_ && !expired_;
            now_ = monotonic::now();
            turn_began_ = now_;
            deadline_ = now_ + server_.options_.head_timeout;
            carry_.copy(server_.received_.data(), carry_.size());
            server_.received_size_ = carry_.size();
            begin = 0;
        }
        carry_.assign(server_.received_, begin, server_.received_size_ - begin);
        if (carry_.empty()) {
            waiting_ = true;
            deadline_ = now_ + idle_time();
        }
    }
    if (!broken_)
        co_await linger();
}

session::received session::receive()
{
    auto& buffer = server_.received_;
    carry_.copy(buffer.data(), carry_.size());
    server_.received_size_ = carry_.size();
    const auto room = buffer.size() - carry_.size();
    const auto got = ::recv(socket_.get(), buffer.data() + carry_.size(), room, 0);
    unread_ = got == static_cast<ssize_t>(room) || (got > 0 && poll_.ended());
    if (got == 0)
        return received::end;
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? received::nothing : received::end;
    server_.received_size_ += static_cast<std::size_t>(got);
    return received::bytes;
}

std::string_view session::pseudonym(const std::optional<ip_address>& address, char (&buffer)[17]) const
{
    if (!address)
        return "unix";
    const std::string_view bytes(reinterpret_cast<const char*>(address->data()), address->size());
    write_hex(buffer, siphash(server_.options_.client_key, bytes));
    return {buffer, 16};
}

std::string_view session::client_of(const request& in)
{
    // The proxy nearest to us writes the last address; whoever stood before may have made up the others.
    auto forwarded = peer_.trusted ? in.field("X-Forwarded-For") : std::string_view();
    forwarded = trim(forwarded.substr(forwarded.rfind(',') + 1));
    if (const auto address = parse_ip(forwarded))
        return pseudonym(address, forwarded_client_);
    if (peer_client_[0] == '\0')
        return pseudonym(peer_.address, peer_client_);
    return {peer_client_, 16};
}

bool session::is_own_probe(const request& in, const response& out) const
{
    return server_.dispatch_.is_probe(route_) && out.code == status::ok && peer_.trusted &&
           in.field("User-Agent") == probe_agent && in.field("X-Forwarded-For").empty();
}

void session::answer_next(std::string_view text)
{
    request in;
    if (const auto refusal = read_head(text, in.head))
        return refuse(*refusal, text);
    in.fields = server_.parser_.parse(text);
    if (!in.fields)
        return refuse(head_refusal::malformed, text);
    in.peer = peer_;
    in.scratch = &server_.scratch_;
    in.path_scratch = &server_.path_scratch_;
    const auto given = peer_.trusted ? in.field("X-Request-ID") : std::string_view();
    in.id = is_request_id(given) ? given : server_.fresh_id(id_);

    auto& out = server_.response_;
    route_ = server_.dispatch_.answer(in, out);
    out.close = out.close || !in.head.keep_alive || server_.draining_;
    server_.dispatch_.write_head(&in, in.id, server_.date_.at(server_.wall_clock(now_)), in.head.http11, out);
    logged_ = !is_own_probe(in, out);
    head_only_ = in.is_head || out.code == status::not_modified || out.code == status::no_content;
    entry_ = {in.id,
              client_of(in),
              in.head.method.substr(0, 32),
              in.head.target,
              static_cast<unsigned>(out.code),
              0,
              {},
              {}};
    open_ = !out.close;
    send(out);
}

void session::refuse(head_refusal why, std::string_view text)
{
    auto& out = server_.response_;
    const auto id = server_.fresh_id(id_);
    const auto client = pseudonym(peer_.address, peer_client_);
    const auto claims = read_claims(text);
    server_.counters_.refused_heads[static_cast<std::size_t>(why)].add();
    if (why != head_refusal::timeout)
        log::write(log::level::warning, "security", "a request head was refused and its connection closed",
                   {{"request_id", id}, {"client", client}, {"reason", name(why)}, {"host", claims.host}});
    out.reset();
    server_.dispatch_.refuse(why, out);
    server_.dispatch_.write_head(nullptr, id, server_.date_.at(server_.wall_clock(now_)), true, out);
    head_only_ = text.starts_with("HEAD ");
    route_ = server_.dispatch_.routes();
    logged_ = true;
    entry_ = {id, client, claims.method, claims.target, static_cast<unsigned>(out.code), 0, {}, {}};
    open_ = false;
    send(out);
}

void session::send(response& out)
{
    // One piece is sent for less than two; more than a few kilobytes are better not copied.
    constexpr std::size_t most_copied = 4096;
    if (!head_only_ && !out.file && out.body_size() <= most_copied) {
        for (const auto piece : out.pieces())
            out.head += piece;
        head_only_ = true;
    }
    sent_ = 0;
    if (const auto progress = flush(out); progress == flushed::all)
        finish(out);
    else
        keep_pending(progress);
}

session::flushed session::flush(response& out)
{
    for (;;) {
        // What is left of the head and the pieces behind it.
        std::array<iovec, 1 + response::most_pieces> parts{};
        std::size_t count = 0;
        auto skip = sent_;
        const auto add = [&](std::string_view piece) {
            const auto cut = std::min<std::uint64_t>(skip, piece.size());
            skip -= cut;
            piece.remove_prefix(cut);
            if (!piece.empty())
                parts[count++] = {const_cast<char*>(piece.data()), piece.size()};
        };
        add(out.head);
        if (!head_only_)
            for (const auto piece : out.pieces())
                add(piece);
        if (count == 0)
            return head_only_ || !out.file ? flushed::all : flush_file(out);
        msghdr message{};
        message.msg_iov = parts.data();
        message.msg_iovlen = count;
        const auto written = count == 1
                                 ? ::send(socket_.get(), parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL)
                                 : ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
        if (written < 0) {
            if (errno == EAGAIN)
                return flushed::blocked;
            if (errno == EINTR)
                continue;
            broken_ = true;
            open_ = false;
            return flushed::all;
        }
        sent_ += static_cast<std::uint64_t>(written);
    }
}

session::flushed session::flush_file(response& out)
{
    constexpr std::uint64_t most_at_once = 512 * 1024; // then others get their turn
    const auto body_sent = sent_ - out.head_size;
    if (body_sent == out.file_size)
        return flushed::all;
    auto offset = static_cast<off_t>(out.file_offset + body_sent);
    const auto written =
        ::sendfile(socket_.get(), out.file.get(), &offset, std::min(out.file_size - body_sent, most_at_once));
    if (written < 0 && errno == EAGAIN)
        return flushed::blocked;
    if (written <= 0) { // the client is gone, or the file shrank: only a close says so now
        broken_ = true;
        open_ = false;
        return flushed::all;
    }
    sent_ += static_cast<std::uint64_t>(written);
    return sent_ - out.head_size == out.file_size ? flushed::all : flushed::partly;
}

void session::keep_pending(flushed progress)
{
    pending_ = std::make_unique<pending>();
    pending_->progress = progress;
    pending_->id = entry_.request_id;
    pending_->method = entry_.method;
    pending_->target = entry_.target;
    pending_->answer = std::move(server_.response_);
    server_.response_ = {};
    entry_.request_id = pending_->id;
    entry_.method = pending_->method;
    entry_.target = pending_->target;
}

boost::asio::awaitable<void> session::send_pending()
{
    auto& out = pending_->answer;
    deadline_ = monotonic::now() + server_.options_.write_timeout +
                std::chrono::seconds((out.head.size() + out.body_size()) / server_.options_.write_floor);
    for (auto& progress = pending_->progress; progress != flushed::all; progress = flush(out)) {
        if (progress == flushed::blocked) // GCC 12 destroys the frames twice when ?: chooses one
            co_await poll_.async_wait();
        else
            co_await poll_.async_yield();
        if (expired_) {
            broken_ = true;
            open_ = false;
            break;
        }
    }
    finish(out);
    pending_.reset();
}

void session::finish(const response& out)
{
    const auto ended = server_.sockets_.now = monotonic::now();
    entry_.bytes = sent_ - std::min<std::uint64_t>(sent_, out.head_size);
    const auto started = std::exchange(now_, ended);
    entry_.duration = std::chrono::duration_cast<std::chrono::microseconds>(ended - started);
    entry_.time = server_.wall_clock(ended);
    server_.counters_.count_request({request_method_from(entry_.method), static_cast<std::uint8_t>(route_),
                                     static_cast<std::uint16_t>(entry_.status)},
                                    entry_.bytes, ended - started);
    if (logged_)
        server_.access_.write(entry_);
    server_.count_answer();
}

boost::asio::awaitable<void> session::linger()
{
    // A close with unread bytes would reset the connection and take the last answer from the client.
    expired_ = false;
    deadline_ = monotonic::now() + server_.options_.linger;
    constexpr std::size_t most_discarded = 1024 * 1024;
    if (::shutdown(socket_.get(), SHUT_WR) < 0)
        co_return;
    for (std::size_t discarded = 0; discarded < most_discarded; discarded += server_.received_size_) {
        if (!unread_)
            co_await poll_.async_wait();
        carry_.clear();
        if (expired_ || receive() == received::end)
            co_return;
    }
}

} // namespace cv::http

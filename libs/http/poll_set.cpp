#include "http/poll_set.hpp"

#include "base/clock.hpp"

#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <cerrno>
#include <system_error>
#include <utility>

namespace cv::http {

poll_set::member::member(poll_set& owner, int socket) : set_(owner), socket_(socket)
{
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.ptr = this;
    if (::epoll_ctl(set_.epoll_.native_handle(), EPOLL_CTL_ADD, socket_, &event) < 0)
        throw std::system_error(errno, std::generic_category(), "cannot watch a connection");
}

poll_set::member::~member()
{
    if (yielded_)
        std::erase(set_.yielded_, this);
    epoll_event unused{};
    ::epoll_ctl(set_.epoll_.native_handle(), EPOLL_CTL_DEL, socket_, &unused);
}

void poll_set::member::wake()
{
    if (!waiting_)
        return;
    if (std::exchange(yielded_, false))
        std::erase(set_.yielded_, this);
    auto resume = std::move(*waiting_);
    waiting_.reset();
    resume();
}

boost::asio::awaitable<void> poll_set::member::async_yield()
{
    set_.yielded_.push_back(this);
    yielded_ = true;
    return async_wait();
}

poll_set::poll_set(boost::asio::io_context& context)
    : context_(context), epoll_(context, ::epoll_create1(EPOLL_CLOEXEC))
{
}

boost::asio::awaitable<void> poll_set::run()
{
    constexpr int most_at_once = 256;
    // How long the sockets keep the thread before the io_context's timers and signals get their turn. While
    // requests come in quick succession, going back to it after each would cost more than reading them.
    constexpr auto turn = std::chrono::milliseconds(1);
    std::array<epoll_event, most_at_once> ready;
    for (;;) {
        boost::system::error_code error;
        if (yielded_.empty())
            co_await epoll_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                                       boost::asio::redirect_error(boost::asio::use_awaitable, error));
        else
            co_await boost::asio::post(context_, boost::asio::use_awaitable);
        if (error || !epoll_.is_open())
            co_return;
        now = monotonic::now();
        const auto turn_ends = now + turn;
        int count = 0;
        do {
            count = ::epoll_wait(epoll_.native_handle(), ready.data(), most_at_once, 0);
            // A member that wakes destroys none but itself, and is in the list once.
            for (int i = 0; i < count; ++i) {
                const auto& event = ready[static_cast<std::size_t>(i)];
                auto& who = *static_cast<member*>(event.data.ptr);
                who.ended_ = who.ended_ || (event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
                if (!who.yielded_) // else its turn comes
                    who.wake();
            }
            turn_.swap(yielded_);
            for (auto* who : turn_) {
                who->yielded_ = false;
                who->wake();
            }
            turn_.clear();
            now = monotonic::now();
        } while ((count > 0 || !yielded_.empty()) && now < turn_ends);
    }
}

void poll_set::close()
{
    boost::system::error_code ignored;
    epoll_.close(ignored);
}

} // namespace cv::http

#include "harness.hpp"

#include <arpa/inet.h>
#include <array>
#include <csignal>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <sys/socket.h>

namespace cv::test {

temporary_folder::temporary_folder()
{
    auto name = (std::filesystem::temp_directory_path() / "cv-component-").string() + std::string(6, 'X');
    if (!::mkdtemp(name.data()))
        throw std::runtime_error("no temporary folder");
    path_ = name;
}

temporary_folder::~temporary_folder()
{
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

running_server::running_server(std::vector<http::route> routes, http::server_options options)
    : dispatch_(std::move(routes), {{"test"}, {}, false, {}, {}}),
      access_((folder_.path() / "access.log").string(), log::format::verbose),
      context_(BOOST_ASIO_CONCURRENCY_HINT_SAFE),
      server_(context_, dispatch_, access_, counters_, std::move(options))
{
    std::signal(SIGPIPE, SIG_IGN); // as the program does
    endpoint where;
    where.host = "127.0.0.1";
    const auto listening = listen_on(where);
    port_ = listening.where.port;
    server_.listen(listening.socket.get());
    thread_ = std::thread([this] {
        context_.run();
        ended_.set_value();
    });
}

running_server::~running_server()
{
    if (thread_.joinable()) {
        drain(std::chrono::seconds(0));
        thread_.join();
    }
}

std::string running_server::log() const
{
    std::stringstream text;
    text << std::ifstream(folder_.path() / "access.log").rdbuf();
    return text.str();
}

void running_server::drain(std::chrono::seconds longest)
{
    on_thread([this, longest] { server_.drain(longest); });
}

bool running_server::join()
{
    if (end_.wait_for(std::chrono::seconds(10)) != std::future_status::ready)
        return false;
    thread_.join();
    access_.flush();
    return true;
}

client::client(std::uint16_t port, int receive_buffer)
    : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))
{
    const timeval patience{10, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (receive_buffer > 0)
        ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
        throw std::runtime_error("cannot connect");
}

void client::send(std::string_view bytes)
{
    while (!bytes.empty()) {
        const auto sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0)
            throw std::runtime_error("cannot send");
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
}

void client::finish()
{
    ::shutdown(socket_.get(), SHUT_WR);
}

bool client::fill()
{
    std::array<char, 65536> bytes;
    const auto got = ::recv(socket_.get(), bytes.data(), bytes.size(), 0);
    if (got < 0)
        throw std::runtime_error("nothing came for ten seconds, or the connection was reset");
    received_.append(bytes.data(), static_cast<std::size_t>(got));
    return got > 0;
}

client::answer client::read(bool to_head)
{
    answer result;
    std::size_t end = 0;
    while ((end = received_.find("\r\n\r\n")) == received_.npos)
        if (!fill())
            throw std::runtime_error("the connection ended within a head: " + received_);
    result.head = received_.substr(0, end + 4);
    received_.erase(0, end + 4);
    result.status = std::stoi(result.head.substr(9, 3));
    const auto length = result.head.find("Content-Length: ");
    const auto size = to_head || length == result.head.npos ? 0 : std::stoul(result.head.substr(length + 16));
    while (received_.size() < size)
        if (!fill())
            throw std::runtime_error("the connection ended within a body");
    result.body = received_.substr(0, size);
    received_.erase(0, size);
    return result;
}

bool client::at_end()
{
    return received_.empty() && !fill();
}

} // namespace cv::test

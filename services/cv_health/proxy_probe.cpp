#include "cv_health/proxy_probe.hpp"

#include "base/address.hpp"
#include "http/host.hpp"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/impl/src.hpp> // Asio's TLS, compiled once: nothing else here speaks it
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>

namespace cv {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::use_awaitable;
using protocol = asio::generic::stream_protocol;

struct place
{
    bool tls = false;
    std::vector<protocol::endpoint> addresses; ///< all that the name stands for
};

/// What a PROXY_URL names; throws system_error when its name cannot be resolved, runtime_error when there is
/// none.
asio::awaitable<place> find_place(std::string_view url)
{
    place found;
    if (const auto where = parse_endpoint(url); where && where->is_unix()) {
        sockaddr_storage address{};
        const auto size = to_sockaddr(*where, address);
        found.addresses.emplace_back(&address, size);
        co_return found;
    }
    found.tls = url.starts_with("https://");
    auto authority = url.substr(url.find("://") + 3);
    authority = authority.substr(0, authority.find('/'));
    const auto parts = http::split_host(authority);
    if (!parts)
        throw std::runtime_error("PROXY_URL names no host");
    std::string name(parts->name);
    if (name.starts_with('['))
        name = name.substr(1, name.size() - 2);
    const std::string port(!parts->port.empty() ? parts->port : found.tls ? "443" : "80");
    asio::ip::tcp::resolver resolver(co_await asio::this_coro::executor);
    for (const auto& one : co_await resolver.async_resolve(name, port, use_awaitable))
        found.addresses.emplace_back(one.endpoint());
    co_return found;
}

template <class Stream>
asio::awaitable<unsigned> ask(Stream& stream, const std::string& host, const std::string& path)
{
    beast::http::request<beast::http::empty_body> question(beast::http::verb::get, path, 11);
    question.set(beast::http::field::host, host);
    question.set(beast::http::field::connection, "close");
    co_await beast::http::async_write(stream, question, use_awaitable);
    beast::flat_buffer buffer;
    beast::http::response_parser<beast::http::string_body> parser;
    co_await beast::http::async_read_header(stream, buffer, parser, use_awaitable);
    co_return parser.get().result_int();
}

} // namespace

asio::awaitable<proxy_answer> async_probe_proxy(std::string url, std::string host, std::string path,
                                                std::chrono::milliseconds patience)
{
    proxy_answer answer;
    try {
        const auto where = co_await find_place(url);
        const auto executor = co_await asio::this_coro::executor;
        asio::ssl::context settings(asio::ssl::context::tls_client);
        beast::ssl_stream<beast::basic_stream<protocol>> stream(executor, settings);
        auto& connection = beast::get_lowest_layer(stream);
        connection.expires_after(patience); // for all that follows together
        co_await connection.async_connect(where.addresses, use_awaitable);
        if (!where.tls) {
            answer.status = co_await ask(connection, host, path);
            co_return answer;
        }
        SSL_set_tlsext_host_name(stream.native_handle(), host.c_str());
        co_await stream.async_handshake(asio::ssl::stream_base::client, use_awaitable);
        answer.end = end_of(SSL_get0_peer_certificate(stream.native_handle()));
        answer.status = co_await ask(stream, host, path);
    } catch (const boost::system::system_error& error) {
        answer.fault = error.code() == beast::error::timeout
                           ? "no answer within " + std::to_string(patience.count()) + " ms"
                           : error.code().message();
    } catch (const std::runtime_error& error) {
        answer.fault = error.what();
    }
    co_return answer;
}

} // namespace cv

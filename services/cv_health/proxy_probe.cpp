#include "cv_health/proxy_probe.hpp"

#include "http/host.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/impl/src.hpp> // Asio's TLS, compiled once: nothing else here speaks it
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
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
        const bool tls = url.starts_with("https://");
        auto authority = std::string_view(url).substr(url.find("://") + 3);
        authority = authority.substr(0, authority.find('/'));
        const auto parts = http::split_host(authority);
        if (!parts) {
            answer.fault = "PROXY_URL names no host";
            co_return answer;
        }
        std::string name(parts->name);
        if (name.starts_with('['))
            name = name.substr(1, name.size() - 2);
        const std::string port(!parts->port.empty() ? parts->port : tls ? "443" : "80");
        const auto executor = co_await asio::this_coro::executor;
        asio::ip::tcp::resolver resolver(executor);
        const auto places = co_await resolver.async_resolve(name, port, use_awaitable);
        asio::ssl::context settings(asio::ssl::context::tls_client);
        beast::ssl_stream<beast::tcp_stream> stream(executor, settings);
        auto& connection = beast::get_lowest_layer(stream);
        connection.expires_after(patience); // for all that follows together
        co_await connection.async_connect(places, use_awaitable);
        if (!tls) {
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
    }
    co_return answer;
}

} // namespace cv

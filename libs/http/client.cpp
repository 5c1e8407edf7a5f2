#include "http/client.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

namespace cv::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::use_awaitable;
using protocol = asio::generic::stream_protocol;

constexpr std::uint64_t largest_body = 64 * 1024;

} // namespace

asio::awaitable<probe_answer> async_probe(endpoint where, std::string path,
                                          std::chrono::milliseconds patience)
{
    probe_answer answer;
    beast::http::response_parser<beast::http::string_body> parser;
    parser.body_limit(largest_body);
    try {
        sockaddr_storage address{};
        const auto size = to_sockaddr(where, address);
        beast::basic_stream<protocol> stream(co_await asio::this_coro::executor);
        stream.expires_after(patience); // for all that follows together
        co_await stream.async_connect(protocol::endpoint(&address, size), use_awaitable);
        beast::http::request<beast::http::empty_body> question(beast::http::verb::get, path, 11);
        question.set(beast::http::field::host, "localhost");
        question.set(beast::http::field::user_agent, probe_agent);
        question.set(beast::http::field::connection, "close");
        co_await beast::http::async_write(stream, question, use_awaitable);
        beast::flat_buffer buffer;
        co_await beast::http::async_read(stream, buffer, parser, use_awaitable);
        answer.status = parser.get().result_int();
        answer.body = std::move(parser.get().body());
    } catch (const boost::system::system_error& error) {
        if (error.code() == beast::http::error::body_limit) { // an answer all the same
            answer.status = parser.get().result_int();
            co_return answer;
        }
        answer.fault = error.code() == beast::error::timeout
                           ? "no answer within " + std::to_string(patience.count()) + " ms"
                           : error.code().message();
    }
    co_return answer;
}

probe_answer probe(const endpoint& where, const std::string& path, std::chrono::milliseconds patience)
{
    asio::io_context context;
    probe_answer answer;
    asio::co_spawn(context, async_probe(where, path, patience),
                   [&answer](const std::exception_ptr& error, probe_answer found) {
                       if (error)
                           std::rethrow_exception(error);
                       answer = std::move(found);
                   });
    context.run();
    return answer;
}

} // namespace cv::http

#include "cv_query/edge_client.hpp"

#include "base/clock.hpp"
#include "base/file.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cerrno>
#include <netdb.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>

namespace cv {
namespace {

constexpr std::uint64_t largest_answer = 4 * 1024 * 1024;

/// What OpenSSL says was wrong last.
std::string tls_fault()
{
    const auto code = ERR_peek_last_error();
    const auto* text = code ? ERR_reason_error_string(code) : nullptr;
    ERR_clear_error();
    return text ? text : "the connection was closed";
}

} // namespace

bool edge_address::is_loopback() const
{
    if (bytes.ss_family == AF_INET)
        return ntohl(reinterpret_cast<const sockaddr_in&>(bytes).sin_addr.s_addr) >> 24U == 127;
    return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6&>(bytes).sin6_addr);
}

edge_address edge_address::at(std::uint16_t port) const
{
    auto other = *this; // the port is in the same place of both families
    reinterpret_cast<sockaddr_in&>(other.bytes).sin_port = htons(port);
    return other;
}

std::vector<edge_address> resolve(const std::string& name, std::uint16_t port, std::string& fault)
{
    addrinfo wish{};
    wish.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    std::vector<edge_address> found;
    if (const int error = ::getaddrinfo(name.c_str(), std::to_string(port).c_str(), &wish, &list);
        error != 0) {
        fault = ::gai_strerror(error);
        return found;
    }
    for (const auto* one = list; one; one = one->ai_next) {
        edge_address address;
        address.size = one->ai_addrlen;
        std::copy_n(reinterpret_cast<const char*>(one->ai_addr), one->ai_addrlen,
                    reinterpret_cast<char*>(&address.bytes));
        found.push_back(address);
    }
    ::freeaddrinfo(list);
    return found;
}

struct edge_connection::state
{
    unique_fd socket;
    std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context{nullptr, &SSL_CTX_free};
    std::unique_ptr<SSL, decltype(&SSL_free)> tls{nullptr, &SSL_free};
    monotonic::time_point deadline = monotonic::now() + edge_patience;

    void wait(short events) const
    {
        pollfd poll{socket.get(), events, 0};
        for (;;) {
            const auto left =
                std::chrono::duration_cast<std::chrono::milliseconds>(deadline - monotonic::now()).count();
            const int ready = left > 0 ? ::poll(&poll, 1, static_cast<int>(left)) : 0;
            if (ready > 0)
                return;
            if (ready == 0)
                throw edge_error{"no answer within " + std::to_string(edge_patience.count()) + " s", true};
            if (errno != EINTR)
                throw edge_error{errno_message(errno)};
        }
    }

    /// Calls one of OpenSSL's functions until it is done; its result, 0 at a clean end of the connection.
    template <class Call>
    int complete(Call call) const
    {
        for (;;) {
            ERR_clear_error();
            const int result = call(tls.get());
            if (result > 0)
                return result;
            switch (SSL_get_error(tls.get(), result)) {
            case SSL_ERROR_WANT_READ:
                wait(POLLIN);
                break;
            case SSL_ERROR_WANT_WRITE:
                wait(POLLOUT);
                break;
            case SSL_ERROR_ZERO_RETURN:
                return 0;
            default:
                throw edge_error{tls_fault()};
            }
        }
    }
};

edge_connection::edge_connection(const std::vector<edge_address>& where) : state_(std::make_unique<state>())
{
    std::string fault = "it has no address";
    for (const auto& address : where) {
        state_->socket =
            unique_fd(::socket(address.bytes.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        if (!state_->socket)
            throw edge_error{errno_message(errno)};
        const int result =
            ::connect(state_->socket.get(), reinterpret_cast<const sockaddr*>(&address.bytes), address.size);
        int error = result == 0 ? 0 : errno;
        if (error == EINPROGRESS) {
            state_->wait(POLLOUT);
            socklen_t size = sizeof error;
            ::getsockopt(state_->socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
        }
        if (error == 0)
            return;
        fault = errno_message(error);
    }
    throw edge_error{fault};
}

edge_connection::edge_connection(edge_connection&&) noexcept = default;
edge_connection::~edge_connection() = default;

void edge_connection::start_tls(const tls_wish& wish)
{
    state_->context.reset(SSL_CTX_new(TLS_client_method()));
    auto* context = state_->context.get();
    if (!context)
        throw edge_error{tls_fault()};
    if (wish.verify)
        SSL_CTX_set_default_verify_paths(context); // or SSL_CERT_FILE
    SSL_CTX_set_min_proto_version(context, wish.lowest ? wish.lowest : TLS1_2_VERSION);
    SSL_CTX_set_max_proto_version(context, wish.highest ? wish.highest : TLS1_3_VERSION);
    if (!wish.ciphers.empty() && SSL_CTX_set_cipher_list(context, wish.ciphers.c_str()) != 1)
        throw edge_error{tls_fault()};
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
    state_->tls.reset(SSL_new(context));
    auto* tls = state_->tls.get();
    if (!tls || SSL_set_fd(tls, state_->socket.get()) != 1)
        throw edge_error{tls_fault()};
    if (!wish.server_name.empty())
        SSL_set_tlsext_host_name(tls, wish.server_name.c_str());
    if (state_->complete(SSL_connect) == 0)
        throw edge_error{"the connection was closed"};
}

void edge_connection::write(std::string_view bytes)
{
    while (!bytes.empty()) {
        if (state_->tls) {
            const auto sent = state_->complete(
                [bytes](SSL* tls) { return SSL_write(tls, bytes.data(), static_cast<int>(bytes.size())); });
            if (sent == 0)
                throw edge_error{"the connection was closed"};
            bytes.remove_prefix(static_cast<std::size_t>(sent));
            continue;
        }
        state_->wait(POLLOUT);
        const auto sent = ::send(state_->socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            throw edge_error{errno_message(errno)};
        bytes.remove_prefix(sent > 0 ? static_cast<std::size_t>(sent) : 0);
    }
}

std::string edge_connection::read()
{
    std::string bytes(16 * 1024, '\0');
    if (state_->tls) {
        const auto size = static_cast<int>(bytes.size());
        bytes.resize(static_cast<std::size_t>(
            state_->complete([&](SSL* tls) { return SSL_read(tls, bytes.data(), size); })));
        return bytes;
    }
    for (;;) {
        state_->wait(POLLIN);
        const auto got = ::recv(state_->socket.get(), bytes.data(), bytes.size(), 0);
        if (got >= 0) {
            bytes.resize(static_cast<std::size_t>(got));
            return bytes;
        }
        if (errno != EAGAIN && errno != EINTR)
            throw edge_error{errno_message(errno)};
    }
}

std::string edge_connection::version() const
{
    return SSL_get_version(state_->tls.get());
}

std::string edge_connection::cipher() const
{
    return SSL_get_cipher_name(state_->tls.get());
}

const x509_st* edge_connection::certificate() const
{
    return SSL_get0_peer_certificate(state_->tls.get());
}

bool edge_connection::has_ticket() const
{
    return SSL_SESSION_has_ticket(SSL_get_session(state_->tls.get())) == 1;
}

int edge_connection::ephemeral_dh_bits() const
{
    EVP_PKEY* key = nullptr;
    if (SSL_get_peer_tmp_key(state_->tls.get(), &key) != 1) // NOLINT: OpenSSL's macro passes it as void*
        return 0;
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> owned(key, &EVP_PKEY_free);
    return EVP_PKEY_is_a(key, "DH") ? EVP_PKEY_get_bits(key) : 0;
}

std::string edge_connection::why_not_trusted() const
{
    const auto result = SSL_get_verify_result(state_->tls.get());
    return result == X509_V_OK ? std::string() : X509_verify_cert_error_string(result);
}

std::string_view edge_answer::field(std::string_view name) const
{
    const auto found = fields.find({name.data(), name.size()});
    return found == fields.end() ? std::string_view()
                                 : std::string_view(found->value().data(), found->value().size());
}

std::size_t edge_answer::count(std::string_view name) const
{
    return fields.count({name.data(), name.size()});
}

edge_answer ask(edge_connection& connection, std::string_view request)
{
    namespace http = boost::beast::http;
    edge_answer answer;
    http::response_parser<http::string_body> parser;
    parser.eager(true);
    parser.body_limit(largest_answer);
    parser.header_limit(64 * 1024);
    try {
        connection.write(request);
        std::string bytes;
        while (!parser.is_done()) {
            auto more = connection.read();
            boost::system::error_code error;
            if (more.empty()) {
                if (!parser.got_some())
                    throw edge_error{"the connection was closed without an answer"};
                parser.put_eof(error);
                if (error)
                    throw edge_error{"the answer was cut off"};
                break;
            }
            bytes += more;
            while (!bytes.empty() && !parser.is_done()) {
                const auto used = parser.put(boost::asio::buffer(bytes), error);
                bytes.erase(0, used);
                if (error == http::error::need_more || (!error && used == 0))
                    break;
                if (error)
                    throw edge_error{"the answer is not HTTP: " + error.message()};
            }
        }
        answer.status = parser.get().result_int();
        answer.fields = std::move(parser.get().base());
        answer.body = std::move(parser.get().body());
    } catch (const edge_error& error) {
        answer.fault = error.reason;
        answer.silent = error.silent;
        if (parser.is_header_done()) { // a head that came whole is an answer
            answer.status = parser.get().result_int();
            answer.fields = std::move(parser.get().base());
            answer.body = std::move(parser.get().body());
        }
    }
    return answer;
}

} // namespace cv

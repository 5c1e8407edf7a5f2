#pragma once
#include <boost/beast/http/fields.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <vector>

struct ssl_st;  // OpenSSL's SSL
struct x509_st; // OpenSSL's X509

/// A client that asks a server what clients do not ask: bytes as they are given, with any name and any
/// version of TLS. It waits, but never longer than `edge_patience` for one connection.
namespace cv {

inline constexpr std::chrono::seconds edge_patience{5};

/// A TCP address of the edge.
struct edge_address
{
    sockaddr_storage bytes{};
    socklen_t size = 0;

    bool is_loopback() const;
    edge_address at(std::uint16_t port) const;
};

/// The addresses of a name; none, and `fault` says why, when it has none.
std::vector<edge_address> resolve(const std::string& name, std::uint16_t port, std::string& fault);

/// How a handshake is wished.
struct tls_wish
{
    std::string server_name = {}; ///< sent as SNI; none when empty
    int lowest = 0;               ///< OpenSSL's number of the version; 0: TLS 1.2
    int highest = 0;              ///< 0: TLS 1.3
    std::string ciphers = {};     ///< OpenSSL's list for TLS 1.2 and below; empty: its default
    bool verify = false; ///< reads the roots of this machine, which takes a while: for why_not_trusted()
};

/// One connection. Throws edge_error for what the network or the server does.
class edge_connection
{
public:
    /// Connects to the first address that accepts, without TLS.
    explicit edge_connection(const std::vector<edge_address>& where);
    edge_connection(edge_connection&&) noexcept;
    ~edge_connection();

    void start_tls(const tls_wish& wish);
    void write(std::string_view bytes);
    /// What came; empty at the end.
    std::string read();

    // Of the handshake:
    std::string version() const;
    std::string cipher() const;
    const x509_st* certificate() const;
    bool has_ticket() const;       ///< of TLS 1.2
    int ephemeral_dh_bits() const; ///< 0 when the key exchange is not DHE
    std::string
    why_not_trusted() const; ///< empty when the chain leads to a root of this machine (or SSL_CERT_FILE)

private:
    struct state;
    std::unique_ptr<state> state_;
};

/// Why there was no connection, handshake or answer.
struct edge_error
{
    std::string reason;
    bool silent = false; ///< nothing came for as long as `edge_patience`
};

/// What came back for a request.
struct edge_answer
{
    unsigned status = 0; ///< 0 when no answer came
    boost::beast::http::fields fields;
    std::string body;
    std::string fault;   ///< why no answer came
    bool silent = false; ///< nobody said anything, not even by a close

    std::string_view field(std::string_view name) const;
    std::size_t count(std::string_view name) const;
};

/// Sends the bytes of a request and reads the answer to it. Faults of the connection are in the answer.
edge_answer ask(edge_connection& connection, std::string_view request);

} // namespace cv

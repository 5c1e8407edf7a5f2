#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <vector>

/// Addresses as settings name them and sockets report them. All functions are pure and thread-safe.
namespace cv {

/// Where to listen: an IP address with a port, or a unix socket.
struct endpoint
{
    std::string host;       ///< address literal without brackets; empty for a unix socket
    std::uint16_t port = 0; ///< 0 takes a free one
    std::string path;       ///< of a unix socket; empty for TCP

    bool is_unix() const { return !path.empty(); }
    bool operator==(const endpoint&) const = default;
};

/// `127.0.0.1:8000`, `[::1]:8000`, `localhost:8000` (the IPv4 loopback), `:8000` (all IPv4 addresses) or
/// `unix:/path`; nothing for any other text.
std::optional<endpoint> parse_endpoint(std::string_view text);

/// As parse_endpoint reads it.
std::string to_string(const endpoint& where);

/// The address in the sockets' form; returns its size.
socklen_t to_sockaddr(const endpoint& where, sockaddr_storage& out);

/// The reverse, for an address of `size` bytes.
endpoint endpoint_of(const sockaddr_storage& address, socklen_t size);

/// An IP address in 16 bytes; IPv4 as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2), so that both compare alike.
using ip_address = std::array<std::uint8_t, 16>;

/// Reads an IPv4 or IPv6 literal without brackets.
std::optional<ip_address> parse_ip(std::string_view text);

/// As text; a mapped IPv4 address in its own form.
std::string to_string(const ip_address& address);

/// The address of a TCP peer; nothing for a unix socket.
std::optional<ip_address> address_of(const sockaddr_storage& peer);

/// A set of peers: networks, unix sockets, or all.
class peer_list
{
public:
    /// A comma list of addresses, networks (`10.0.0.0/8`), `unix` and `*`; nothing when a part is none of
    /// them.
    static std::optional<peer_list> parse(std::string_view text);

    /// Whether the peer is in the set; no address stands for a unix socket.
    bool contains(const std::optional<ip_address>& peer) const;

private:
    struct network
    {
        ip_address address;
        unsigned bits;
    };
    std::vector<network> networks_;
    bool unix_ = false;
    bool all_ = false;
};

} // namespace cv

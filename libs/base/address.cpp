#include "base/address.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cstddef>
#include <cstring>
#include <netinet/in.h>
#include <sys/un.h>

namespace cv {
namespace {

constexpr ip_address mapped_prefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0};
constexpr std::ptrdiff_t mapped_bytes = 12;

bool is_mapped(const ip_address& address)
{
    return std::equal(address.begin(), address.begin() + mapped_bytes, mapped_prefix.begin());
}

bool same_bits(const ip_address& a, const ip_address& b, unsigned bits)
{
    const auto whole = bits / 8;
    if (!std::equal(a.begin(), a.begin() + whole, b.begin()))
        return false;
    return bits % 8 == 0 || ((a[whole] ^ b[whole]) >> (8 - bits % 8)) == 0;
}

} // namespace

std::optional<endpoint> parse_endpoint(std::string_view text)
{
    constexpr std::string_view unix_prefix = "unix:";
    constexpr std::size_t longest_path = 107; // sun_path less its terminator
    if (text.starts_with(unix_prefix)) {
        text.remove_prefix(unix_prefix.size());
        if (!text.starts_with('/') || text.size() > longest_path || has_control_character(text))
            return std::nullopt;
        return endpoint{{}, 0, std::string(text)};
    }
    const auto colon = text.rfind(':');
    if (colon == text.npos)
        return std::nullopt;
    const auto port = parse_unsigned<std::uint16_t>(text.substr(colon + 1));
    auto host = text.substr(0, colon);
    const bool brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (brackets)
        host = host.substr(1, host.size() - 2);
    else if (host.empty())
        host = "0.0.0.0";
    else if (host == "localhost")
        host = "127.0.0.1";
    if (!port || !parse_ip(host) || brackets != (host.find(':') != host.npos))
        return std::nullopt;
    return endpoint{std::string(host), *port, {}};
}

std::string to_string(const endpoint& where)
{
    if (where.is_unix())
        return "unix:" + where.path;
    const bool v6 = where.host.find(':') != std::string::npos;
    return (v6 ? "[" + where.host + "]" : where.host) + ":" + std::to_string(where.port);
}

socklen_t to_sockaddr(const endpoint& where, sockaddr_storage& out)
{
    if (where.is_unix()) {
        auto& address = reinterpret_cast<sockaddr_un&>(out);
        address.sun_family = AF_UNIX;
        where.path.copy(address.sun_path, sizeof address.sun_path - 1);
        return sizeof address;
    }
    if (auto& v4 = reinterpret_cast<sockaddr_in&>(out);
        ::inet_pton(AF_INET, where.host.c_str(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(where.port);
        return sizeof v4;
    }
    auto& v6 = reinterpret_cast<sockaddr_in6&>(out);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(where.port);
    ::inet_pton(AF_INET6, where.host.c_str(), &v6.sin6_addr);
    return sizeof v6;
}

endpoint endpoint_of(const sockaddr_storage& address, socklen_t size)
{
    endpoint where;
    if (address.ss_family == AF_UNIX) {
        const auto& local = reinterpret_cast<const sockaddr_un&>(address);
        const auto room = size - offsetof(sockaddr_un, sun_path);
        where.path = std::string(local.sun_path, ::strnlen(local.sun_path, room));
        return where;
    }
    if (const auto ip = address_of(address))
        where.host = to_string(*ip);
    where.port =
        ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                                            : reinterpret_cast<const sockaddr_in&>(address).sin_port);
    return where;
}

std::optional<ip_address> parse_ip(std::string_view text)
{
    char literal[INET6_ADDRSTRLEN] = {}; // not a std::string: the request path does not allocate
    if (text.size() >= sizeof literal || text.find('\0') != text.npos)
        return std::nullopt;
    text.copy(literal, text.size());
    ip_address address = mapped_prefix;
    if (::inet_pton(AF_INET, literal, address.data() + mapped_bytes) == 1 ||
        ::inet_pton(AF_INET6, literal, address.data()) == 1)
        return address;
    return std::nullopt;
}

std::string to_string(const ip_address& address)
{
    char text[INET6_ADDRSTRLEN] = {};
    if (is_mapped(address))
        ::inet_ntop(AF_INET, address.data() + mapped_bytes, text, sizeof text);
    else
        ::inet_ntop(AF_INET6, address.data(), text, sizeof text);
    return text;
}

std::optional<ip_address> address_of(const sockaddr_storage& peer)
{
    ip_address address = mapped_prefix;
    if (peer.ss_family == AF_INET) {
        std::memcpy(address.data() + mapped_bytes, &reinterpret_cast<const sockaddr_in&>(peer).sin_addr, 4);
        return address;
    }
    if (peer.ss_family == AF_INET6) {
        std::memcpy(address.data(), &reinterpret_cast<const sockaddr_in6&>(peer).sin6_addr, 16);
        return address;
    }
    return std::nullopt;
}

std::optional<peer_list> peer_list::parse(std::string_view text)
{
    peer_list list;
    for (const auto part : split_list(text)) {
        if (part == "*") {
            list.all_ = true;
            continue;
        }
        if (part == "unix") {
            list.unix_ = true;
            continue;
        }
        const auto slash = part.find('/');
        const auto address = parse_ip(part.substr(0, slash));
        if (!address)
            return std::nullopt;
        const unsigned offset = part.find(':') == part.npos ? 96 : 0; // of an IPv4 prefix in the mapped form
        unsigned bits = 128;
        if (slash != part.npos) {
            const auto digits = part.substr(slash + 1);
            const auto given = parse_unsigned<unsigned>(digits);
            if (!given || *given > 128 - offset || (digits.size() > 1 && digits.starts_with('0')))
                return std::nullopt;
            bits = offset + *given;
        }
        list.networks_.push_back({*address, bits});
    }
    return list;
}

bool peer_list::contains(const std::optional<ip_address>& peer) const
{
    if (all_)
        return true;
    if (!peer)
        return unix_;
    return std::any_of(networks_.begin(), networks_.end(),
                       [&peer](const network& n) { return same_bits(n.address, *peer, n.bits); });
}

} // namespace cv

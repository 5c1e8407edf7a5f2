#pragma once
#include "base/address.hpp"
#include "http/head.hpp"

#include <array>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/parser.hpp>
#include <memory_resource>
#include <optional>
#include <string>
#include <string_view>

namespace cv::http {

namespace beast_http = boost::beast::http;

/// Fields in an arena that is used again for each request, so that parsing one does not allocate.
using field_allocator = std::pmr::polymorphic_allocator<char>;
using fields = beast_http::basic_fields<field_allocator>;

inline constexpr std::size_t most_parameters = 4;

/// Who is at the other end of a connection.
struct peer_info
{
    std::optional<ip_address> address; ///< nothing for a unix socket
    bool trusted = false;              ///< its X-Forwarded-* and X-Request-ID are believed
};

/// A request whose head has been found good. Views refer to memory that lives until the answer is made.
struct request
{
    cv::http::head head;
    const http::fields* fields = nullptr;
    peer_info peer;
    std::string_view id; ///< X-Request-ID
    bool is_head = false;
    std::array<std::string_view, most_parameters> path; ///< the route's parameters, decoded
    std::string* scratch = nullptr;                     ///< for decoding the query
    std::string* path_scratch = nullptr;                ///< holds the decoded path

    /// The value of a field that may stand once; empty when it is absent or stands several times.
    std::string_view field(beast_http::field name) const;
    std::string_view field(std::string_view name) const;

    /// Calls `each` with every value of a list-based field, in order.
    template <class Each>
    void for_each(beast_http::field name, Each each) const
    {
        for (auto [i, end] = fields->equal_range(name); i != end; ++i)
            each(std::string_view(i->value().data(), i->value().size()));
    }
};

/// Parses heads with Beast into an arena of its own. Not thread-safe; one a worker.
class request_parser
{
public:
    /// Parses a head that `read_head` has found good. The fields stay until the next call; nothing when Beast
    /// does not take the head after all.
    const http::fields* parse(std::string_view head);

private:
    using parser = beast_http::request_parser<beast_http::empty_body, field_allocator>;

    alignas(std::max_align_t) std::array<std::byte, 64 * 1024> memory_;
    std::pmr::monotonic_buffer_resource arena_{memory_.data(), memory_.size()};
    std::optional<parser> parser_;
};

} // namespace cv::http

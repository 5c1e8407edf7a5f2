#pragma once
#include "base/siphash.hpp"
#include "http/host.hpp"
#include "http/router.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace cv::http {

/// What the dispatcher is set to.
struct dispatcher_options
{
    std::vector<std::string> hosts;
    std::vector<std::string> cors_origins;
    bool ssl_redirect = false;
    std::string ssl_header_name{};
    std::string ssl_header_value{};
    bool any_address = false; ///< hosts that are IP addresses are allowed as well
};

/// Leads a request through its stations to a handler. The order is the contract's, and each has its reason:
///   1. host       what is not meant for us is not looked at further
///   2. method     needs no route to be judged
///   3. route      404 is the same for everybody, whatever else is wrong
///   4. redirects  one 301 to https and the canonical path at once
///   5. handler    parameters, person, section, file
/// and adds what every answer carries. Thread-safe; holds no state of a request.
class dispatcher
{
public:
    dispatcher(std::vector<route> table, dispatcher_options options);

    /// Answers a request; the number of the route that took it, for the counters. Never throws: what a
    /// handler throws becomes a 500 whose reason stands in the log alone.
    std::size_t answer(request& in, response& out) const;

    /// Answers a head that was refused.
    void refuse(head_refusal why, response& out) const;

    /// Writes `out.head`: status line, common fields, the answer's own. `in` is null for a refused head.
    void write_head(const request* in, std::string_view id, std::string_view date, bool http11,
                    response& out) const;

    std::size_t routes() const { return router_.table().size(); }
    bool is_probe(std::size_t route) const
    {
        return route < routes() && router_.table()[route].open_to_any_host;
    }

private:
    std::size_t lead(request& in, response& out) const;
    bool allows_host(std::string_view name) const;
    bool came_by_https(const request& in) const;
    void redirect(const request& in, bool to_https, bool add_slash, response& out) const;
    void answer_options(const request& in, std::string_view methods, response& out) const;
    bool origin_allowed(std::string_view origin) const;

    router router_;
    allowed_hosts hosts_;
    dispatcher_options options_;
};

} // namespace cv::http

#include "cv_query/answers.hpp"

#include "base/text.hpp"
#include "http/conditional.hpp"
#include "http/target.hpp"

#include <array>

namespace cv {

using field = http::beast_http::field;
using http::status;

boost::json::value given(const http::request& in, std::string_view name, unsigned count)
{
    std::string buffer;
    boost::json::array values;
    for (const auto pair : split_list(in.head.query, '&')) {
        std::array<http::parameter, 1> one{{{name}}};
        if (http::read_parameters(pair, one, buffer) && one[0].count > 0)
            values.emplace_back(one[0].value);
    }
    return count == 1 ? values.at(0) : boost::json::value(std::move(values));
}

bool query_is_good(const http::request& in, http::response& out)
{
    if (http::read_parameters(in.head.query, {}, *in.scratch))
        return true;
    out.set_error(status::bad_request, "Malformed request");
    return false;
}

http::coding_weights weights_of(const http::request& in)
{
    http::coding_weights weights;
    in.for_each(field::accept_encoding, [&weights](std::string_view value) { weights.add(value); });
    return weights;
}

bool is_known(const http::request& in, http::response& out, std::string_view etag)
{
    out.set("ETag", etag);
    bool known = false;
    in.for_each(field::if_none_match,
                [&](std::string_view value) { known = known || http::matches(value, etag); });
    if (known)
        out.code = status::not_modified;
    return known;
}

void not_acceptable(http::response& out)
{
    out.set_error(status::not_acceptable, http::phrase(status::not_acceptable));
    out.set("Vary", "Accept-Encoding");
}

bool takes_identity(const http::request& in, http::response& out)
{
    if (weights_of(in).accepts_identity())
        return true;
    not_acceptable(out);
    return false;
}

void unavailable(http::response& out)
{
    out.set_error(status::service_unavailable, "CV data unavailable");
    out.set("Retry-After", "5");
}

} // namespace cv

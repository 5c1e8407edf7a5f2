#include "http/request.hpp"

#include <boost/asio/buffer.hpp>

namespace cv::http {
namespace {

template <class Name>
std::string_view single(const fields& all, Name name)
{
    const auto [first, last] = all.equal_range(name);
    if (first == last || std::next(first) != last)
        return {};
    return {first->value().data(), first->value().size()};
}

} // namespace

std::string_view request::field(beast_http::field name) const
{
    return single(*fields, name);
}

std::string_view request::field(std::string_view name) const
{
    return single(*fields, boost::beast::string_view(name.data(), name.size()));
}

const http::fields* request_parser::parse(std::string_view head)
{
    parser_.reset();
    arena_.release();
    parser_.emplace(std::piecewise_construct, std::make_tuple(), std::make_tuple(field_allocator(&arena_)));
    parser_->body_limit(boost::none); // no body is ever read; how large it would be is not Beast's to judge
    parser_->header_limit(static_cast<std::uint32_t>(largest_head));
    boost::system::error_code error;
    parser_->put(boost::asio::const_buffer(head.data(), head.size()), error);
    return error || !parser_->is_header_done() ? nullptr : &parser_->get().base();
}

} // namespace cv::http

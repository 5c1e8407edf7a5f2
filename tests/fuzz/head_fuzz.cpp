// Arbitrary bytes from a connection: the scanner judges alike however they arrive, and what the validator
// takes Beast reads in the same way.
#include "http/head.hpp"
#include "http/host.hpp"
#include "http/request.hpp"
#include "require.hpp"

#include <algorithm>

using cv::http::head_scanner;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    head_scanner whole;
    const auto verdict = whole.scan(bytes);

    head_scanner pieces;
    auto last = head_scanner::progress::incomplete;
    for (std::size_t n = 1; n <= size && last == head_scanner::progress::incomplete; ++n)
        last = pieces.scan(bytes.substr(0, n));
    require(last == verdict);
    if (verdict == head_scanner::progress::refused)
        require(pieces.why() == whole.why());
    if (verdict != head_scanner::progress::complete)
        return 0;
    require(pieces.begin() == whole.begin() && pieces.end() == whole.end());

    const auto text = bytes.substr(whole.begin(), whole.end() - whole.begin());
    require(text.size() <= cv::http::largest_head && text.ends_with("\r\n\r\n"));
    cv::http::head head;
    if (cv::http::read_head(text, head))
        return 0;
    require(!head.host_name.empty() && !head.path.empty());
    require(head.target.size() <= cv::http::longest_target);

    static cv::http::request_parser parser;
    const auto* const fields = parser.parse(text);
    if (!fields)
        return 0;
    require(fields->count("Host") == 1);
    require(fields->count("Content-Length") + fields->count("Transfer-Encoding") <= 1);
    require(static_cast<std::size_t>(std::distance(fields->begin(), fields->end())) <= cv::http::most_fields);
    for (const auto& field : *fields) {
        const std::string_view value(field.value().data(), field.value().size());
        require(value.find_first_of(std::string_view("\r\n\0", 3)) == value.npos);
    }
    return 0;
}

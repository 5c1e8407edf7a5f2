#include "http/head.hpp"

#include "base/text.hpp"
#include "http/host.hpp"

#include <algorithm>
#include <array>

namespace cv::http {
namespace {

enum byte_class : unsigned char
{
    control = 0,
    text = 1,
    token = 2 | text,
    cr = 4,
    lf = 8
};

constexpr std::array<unsigned char, 256> classify()
{
    std::array<unsigned char, 256> table{};
    for (std::size_t i = 0x20; i < 256; ++i)
        table[i] = i == 0x7f ? control : text;
    table['\t'] = text;
    table['\r'] = cr;
    table['\n'] = lf;
    for (const char c :
         std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))
        table[static_cast<unsigned char>(c)] = token;
    return table;
}

constexpr auto classes = classify();

unsigned char class_of(char c)
{
    return classes[static_cast<unsigned char>(c)];
}

bool is_token(std::string_view text)
{
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return class_of(c) == token; });
}

/// Printable ASCII without `#`: a fragment is never sent, and other bytes must be percent-encoded.
bool is_target(std::string_view text)
{
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f && c != '#'; });
}

/// Takes the text up to `separator`, and the separator, off the front of `rest`.
std::string_view take_until(std::string_view& rest, std::string_view separator)
{
    const auto end = rest.find(separator);
    const auto part = rest.substr(0, end);
    rest.remove_prefix(end == rest.npos ? rest.size() : end + separator.size());
    return part;
}

/// Splits the target into host, path and query; false when it has none of the forms that are taken.
bool read_target(head& out)
{
    auto rest = out.target;
    if (!is_target(rest))
        return false;
    if (rest == "*") {
        out.path = rest;
        return out.method == "OPTIONS";
    }
    if (!rest.starts_with('/')) {
        const auto colon = rest.find("://");
        const auto scheme = rest.substr(0, colon);
        if (colon == rest.npos || !(iequals(scheme, "http") || iequals(scheme, "https")))
            return false;
        rest.remove_prefix(colon + 3);
        const auto end = rest.find_first_of("/?");
        out.host = rest.substr(0, end);
        if (out.host.empty())
            return false;
        rest.remove_prefix(end == rest.npos ? rest.size() : end);
        if (rest.empty())
            rest = "/"; // RFC 9110 section 4.2.3: an empty path is /
        if (!rest.starts_with('/'))
            return false;
    }
    const auto question = rest.find('?');
    out.path = rest.substr(0, question);
    out.has_query = question != rest.npos;
    out.query = out.has_query ? rest.substr(question + 1) : std::string_view();
    return true;
}

/// The fields that say where a message ends and whether the connection stays.
struct framing
{
    unsigned hosts = 0;
    unsigned content_lengths = 0;
    unsigned transfer_encodings = 0;
    std::string_view host;
    std::string_view content_length;
    bool close = false;
    bool keep_alive = false;
};

void read_connection(std::string_view value, framing& out)
{
    while (!value.empty()) {
        const auto option = trim(take_until(value, ","));
        out.close = out.close || iequals(option, "close");
        out.keep_alive = out.keep_alive || iequals(option, "keep-alive");
    }
}

bool read_field(std::string_view line, framing& out)
{
    const auto colon = line.find(':');
    if (colon == line.npos)
        return false;
    const auto name = line.substr(0, colon);
    // An underscore would let `Content_Length` pass for another field behind a gateway that maps both alike.
    if (!is_token(name) || name.find('_') != name.npos)
        return false;
    const auto value = trim(line.substr(colon + 1));
    if (iequals(name, "Host")) {
        ++out.hosts;
        out.host = value;
    } else if (iequals(name, "Content-Length")) {
        ++out.content_lengths;
        out.content_length = value;
    } else if (iequals(name, "Transfer-Encoding")) {
        ++out.transfer_encodings;
    } else if (iequals(name, "Connection")) {
        read_connection(value, out);
    }
    return true;
}

std::optional<head_refusal> read_version(std::string_view text, head& out)
{
    const auto digit = [&text](std::size_t i) { return text[i] >= '0' && text[i] <= '9'; };
    if (text.size() != 8 || !text.starts_with("HTTP/") || !digit(5) || text[6] != '.' || !digit(7))
        return head_refusal::malformed;
    out.http11 = text == "HTTP/1.1";
    if (!out.http11 && text != "HTTP/1.0")
        return head_refusal::version;
    return std::nullopt;
}

/// Whether the fields frame the message in one way only, and in one we take.
bool settle_framing(const framing& fields, head& out)
{
    const bool chunked = fields.transfer_encodings > 0;
    const bool sized = fields.content_lengths > 0;
    if (fields.content_lengths > 1 || fields.transfer_encodings > 1 || (chunked && (sized || !out.http11)))
        return false;
    if (sized && (fields.content_length.empty() ||
                  fields.content_length.find_first_not_of("0123456789") != std::string_view::npos))
        return false;
    out.announces_body =
        chunked || (sized && fields.content_length.find_first_not_of('0') != std::string_view::npos);
    const bool bodiless = out.method == "GET" || out.method == "HEAD" || out.method == "OPTIONS";
    return !(bodiless && out.announces_body);
}

} // namespace

head_scanner::progress head_scanner::refuse(head_refusal why)
{
    why_ = why;
    return progress::refused;
}

head_scanner::progress head_scanner::scan(std::string_view received)
{
    for (; position_ < received.size(); ++position_) {
        const auto c = class_of(received[position_]);
        const bool after_cr = position_ > begin_ && received[position_ - 1] == '\r';
        if (position_ == begin_ && c != token && !(c == cr && lines_ == 0 && begin_ == 0))
            return refuse(head_refusal::malformed); // not HTTP at all: a TLS hello, say
        if ((c == lf) != after_cr || c == control)
            return refuse(head_refusal::malformed);
        if (position_ - begin_ >= largest_head)
            return refuse(lines_ == 0 ? head_refusal::uri_too_long : head_refusal::too_large);
        if (c != lf) {
            // Room for the longest target, a method and the version.
            const auto line_limit = lines_ == 0 ? line_ + longest_target + 128 : received.size();
            if (position_ > line_limit)
                return refuse(head_refusal::uri_too_long);
            if (c != cr) { // those that end neither a line nor the patience only pass by
                const auto end = std::min({received.size(), begin_ + largest_head, line_limit + 1});
                while (position_ + 1 < end && (class_of(received[position_ + 1]) & text) != 0)
                    ++position_;
            }
            continue;
        }
        const bool empty = position_ - line_ == 1;
        line_ = position_ + 1;
        if (empty && lines_ == 0) { // the one empty line before a request
            begin_ = line_;
            continue;
        }
        if (empty) {
            ++position_;
            return progress::complete;
        }
        if (++lines_ > most_fields + 1)
            return refuse(head_refusal::too_large);
    }
    return progress::incomplete;
}

std::optional<head_refusal> read_head(std::string_view text, head& out)
{
    out = {};
    auto line = take_until(text, "\r\n");
    out.method = take_until(line, " ");
    out.target = take_until(line, " ");
    if (!is_token(out.method))
        return head_refusal::malformed;
    if (out.target.size() > longest_target)
        return head_refusal::uri_too_long;
    if (const auto refusal = read_version(line, out))
        return refusal;
    if (!read_target(out))
        return head_refusal::malformed;
    framing fields;
    for (line = take_until(text, "\r\n"); !line.empty(); line = take_until(text, "\r\n"))
        if (!read_field(line, fields))
            return head_refusal::malformed;
    auto host = fields.hosts == 1 ? split_host(fields.host) : std::nullopt;
    if (host && !out.host.empty())
        host = split_host(out.host);
    else
        out.host = fields.host;
    if (!host)
        return head_refusal::malformed;
    out.host_name = host->name;
    if (!settle_framing(fields, out))
        return head_refusal::malformed;
    out.keep_alive = !fields.close && (out.http11 || fields.keep_alive);
    return std::nullopt;
}

claimed_head read_claims(std::string_view text)
{
    constexpr std::size_t most_logged = 200;
    claimed_head claims;
    auto line = take_until(text, "\n");
    claims.method = take_until(line, " ").substr(0, 32);
    claims.target = trim(take_until(line, " ")).substr(0, most_logged);
    constexpr std::string_view host = "host:";
    while (!text.empty() && claims.host.empty())
        if (line = take_until(text, "\n"); iequals(line.substr(0, host.size()), host))
            claims.host = trim(line.substr(host.size())).substr(0, most_logged);
    return claims;
}

} // namespace cv::http

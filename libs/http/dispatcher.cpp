#include "http/dispatcher.hpp"

#include "base/address.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

#include <algorithm>

namespace cv::http {
namespace {

using boost::json::array;
using boost::json::object;
using field = beast_http::field;

/// What a client sent, cut to what a log line needs.
std::string_view shortened(std::string_view text)
{
    return text.substr(0, 200);
}

/// Whether a comma list such as Allow's names the method; methods are told apart by case.
bool is_listed(std::string_view methods, std::string_view method)
{
    const auto at = methods.find(method);
    if (at == methods.npos)
        return false;
    const auto end = at + method.size();
    return (at == 0 || methods[at - 1] == ' ') && (end == methods.size() || methods[end] == ',');
}

status status_of(head_refusal why)
{
    switch (why) {
    case head_refusal::uri_too_long:
        return status::uri_too_long;
    case head_refusal::too_large:
        return status::request_header_fields_too_large;
    case head_refusal::version:
        return status::http_version_not_supported;
    case head_refusal::timeout:
        return status::request_timeout;
    case head_refusal::host:
    case head_refusal::malformed:
        break;
    }
    return status::bad_request;
}

} // namespace

dispatcher::dispatcher(std::vector<route> table, dispatcher_options options)
    : router_(std::move(table)), hosts_(options.hosts), options_(std::move(options))
{
}

std::size_t dispatcher::answer(request& in, response& out) const
{
    out.reset();
    try {
        return lead(in, out);
    } catch (const std::exception& error) {
        log::write(log::level::error, "http", "a handler failed",
                   {{"request_id", in.id}, {"reason", error.what()}});
        out.set_error(status::internal_server_error, phrase(status::internal_server_error));
        return router_.table().size();
    }
}

std::size_t dispatcher::lead(request& in, response& out) const
{
    const auto none = router_.table().size();
    const auto& head = in.head;
    in.is_head = head.method == "HEAD";

    path_segments path;
    const bool asterisk = head.path == "*";
    const auto fault = asterisk ? path_fault::none : split_path(head.path, path, *in.path_scratch);
    const auto match = fault == path_fault::none && !asterisk ? router_.find(path, in.path)
                                                              : router::match{nullptr, none, true};
    const bool probe = match.found && match.found->open_to_any_host;

    if (!probe && !allows_host(head.host_name)) {
        log::write(log::level::warning, "security", "host not allowed; ALLOWED_HOSTS lists those that are",
                   {{"request_id", in.id}, {"host", shortened(head.host)}});
        out.set_error(status::bad_request, "Invalid host");
        return none;
    }
    const bool options = head.method == "OPTIONS";
    const auto methods = match.found ? match.found->methods : read_methods;
    if (!options && !is_listed(methods, head.method)) {
        array allowed;
        for (const auto method : split_list(methods))
            allowed.emplace_back(method);
        out.set_error(status::method_not_allowed, "Method not allowed",
                      object{{"method", shortened(head.method)}, {"allowed", std::move(allowed)}});
        out.set("Allow", methods);
        out.close = head.announces_body;
        return match.index;
    }
    if (head.announces_body) { // no route takes one, and what follows must not be read as a request
        out.set_error(status::bad_request, "Malformed request");
        out.close = true;
        return match.index;
    }
    if (asterisk) {
        out.code = status::no_content;
        out.set("Allow", read_methods);
        return none;
    }
    if (fault == path_fault::malformed || fault == path_fault::trick) {
        if (fault == path_fault::trick)
            log::write(log::level::warning, "security", "a path that leads elsewhere",
                       {{"request_id", in.id}, {"path", shortened(head.path)}});
        out.set_error(status::bad_request, "Malformed request");
        return none;
    }
    if (!match.found) {
        out.set_error(status::not_found, "Not found", object{{"path", head.path}});
        return none;
    }
    const bool to_https = options_.ssl_redirect && !probe && !came_by_https(in);
    if (to_https || !match.canonical) {
        redirect(in, to_https, !match.canonical, out);
        return match.index;
    }
    if (options)
        answer_options(in, methods, out);
    else
        match.found->handle(in, out);
    return match.index;
}

bool dispatcher::allows_host(std::string_view name) const
{
    const bool bracketed = name.starts_with('[') && name.ends_with(']');
    return hosts_.contains(name) ||
           (options_.any_address && parse_ip(bracketed ? name.substr(1, name.size() - 2) : name));
}

bool dispatcher::came_by_https(const request& in) const
{
    return in.peer.trusted &&
           in.field(std::string_view(options_.ssl_header_name)) == options_.ssl_header_value;
}

void dispatcher::redirect(const request& in, bool to_https, bool add_slash, response& out) const
{
    std::string location;
    if (to_https)
        location.append("https://").append(in.head.host);
    location += in.head.path;
    if (add_slash)
        location += '/';
    if (in.head.has_query)
        location.append("?").append(in.head.query);
    out.code = status::moved_permanently;
    out.set("Location", location);
}

void dispatcher::answer_options(const request& in, std::string_view methods, response& out) const
{
    out.code = status::no_content;
    out.set("Allow", methods);
    if (origin_allowed(in.field(field::origin)) && !in.field(field::access_control_request_method).empty()) {
        out.set("Access-Control-Allow-Methods", methods);
        out.set("Access-Control-Allow-Headers",
                "Accept, Accept-Language, Content-Language, If-None-Match, Range, "
                "If-Range, X-Request-ID");
        out.set("Access-Control-Max-Age", "600");
    }
}

bool dispatcher::origin_allowed(std::string_view origin) const
{
    return !origin.empty() && std::find(options_.cors_origins.begin(), options_.cors_origins.end(), origin) !=
                                  options_.cors_origins.end();
}

void dispatcher::refuse(head_refusal why, response& out) const
{
    const auto code = status_of(why);
    out.set_error(code, code == status::bad_request ? "Malformed request" : phrase(code));
    out.close = true;
}

void dispatcher::write_head(const request* in, std::string_view id, std::string_view date, bool http11,
                            response& out) const
{
    if (out.is_error) {
        object error{{"code", static_cast<unsigned>(out.code)}, {"message", out.message}};
        if (!out.detail.is_null())
            error["detail"] = std::move(out.detail);
        error["request_id"] = id;
        out.text = boost::json::serialize(object{{"error", std::move(error)}});
        out.set("Content-Type", "application/json");
        out.set("Cache-Control", "no-store");
    }
    auto& head = out.head;
    head = "HTTP/1.1 ";
    append_number(head, static_cast<unsigned>(out.code));
    head += ' ';
    head += phrase(out.code);
    head += "\r\nDate: ";
    head += date;
    head += "\r\nX-Request-ID: ";
    head += id;
    head += "\r\n";
    if (out.close)
        head += "Connection: close\r\n";
    else if (!http11)
        head += "Connection: keep-alive\r\n";
    if (!options_.cors_origins.empty()) {
        head += "Vary: Origin\r\n";
        const auto origin = in ? in->field(field::origin) : std::string_view();
        if (origin_allowed(origin)) {
            head += "Access-Control-Allow-Origin: ";
            head += origin;
            head += "\r\n";
            if (in->head.method != "OPTIONS")
                head += "Access-Control-Expose-Headers: Content-Disposition, Content-Language, ETag, Link, "
                        "Retry-After, X-Request-ID\r\n";
        }
    }
    head += out.fields;
    if (out.code != status::no_content && out.code != status::not_modified) {
        head += "Content-Length: ";
        append_number(head, out.body_size());
        head += "\r\n";
    }
    head += "\r\n";
    out.head_size = head.size();
}

} // namespace cv::http

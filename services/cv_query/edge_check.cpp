#include "cv_query/edge_check.hpp"

#include "base/address.hpp"
#include "base/text.hpp"
#include "http/host.hpp"

#include <algorithm>

namespace cv {
namespace {

constexpr auto foreign = "unknown-host.invalid";
constexpr auto list = "/api/v1/cvs/";

bool is_redirect(const edge_answer& answer)
{
    return answer.status == 301 || answer.status == 302 || answer.status == 307 || answer.status == 308;
}

bool is_accepted(const edge_answer& answer)
{
    return answer.status != 0 && answer.status < 400;
}

/// What is answered with all headers; what the API answers is held to its status too.
struct expectation
{
    edge_question question;
    unsigned status;
    bool api;
};

std::vector<expectation> expectations()
{
    const std::string long_target = "/" + std::string(9'000, 'x');
    return {{{list}, 200, true},
            {{"/api/v1/"}, 200, true},
            {{"/api/v1/openapi.json"}, 200, true},
            {{"/api/v1/cvs"}, 301, true},
            {{"/api/v1/cvs/?limit=0"}, 400, true},
            {{"/api/v1/cv-check-no-such-route/"}, 404, true},
            {{"/api/v1/cvs/cv_check_nobody/"}, 404, true},
            {{list, "POST"}, 405, true},
            {{"/%"}, 400, false},
            {{"/cv-check-no-such-page"}, 404, false},
            {{"/static/cv-check-no-such-file.js"}, 404, false},
            {{long_target}, 414, false}};
}

void check_expected(const edge& target, findings& into)
{
    for (const auto& [question, status, api] : expectations()) {
        const auto answer = ask_edge(target, question);
        const auto where = label(question, answer);
        if (answer.status == 429)
            into.add("cv.W062", where);
        else if (api && answer.status != status)
            into.add("cv.E061", where + ", but should be " + std::to_string(status));
        if (answer.status == 0)
            continue; // closing the connection is an answer to what is bad
        check_answer_headers(answer, where, into);
        if (answer.status >= 400)
            check_error(answer, where, api, into);
    }
}

void check_unknown_host(const edge& target, std::optional<std::uint16_t> http_port, findings& into)
{
    std::vector<edge_question> questions{{.target = list, .host = foreign}, {.target = "/", .host = foreign}};
    if (http_port)
        questions.push_back({.target = list, .host = foreign, .http_port = http_port});
    for (const auto& question : questions) {
        const auto answer = ask_edge(target, question);
        // Refusing it with words is good as well: 400 is the service's own, 421 that of RFC 9110.
        if (answer.status != 0 && answer.status != 400 && answer.status != 421 && answer.status != 429)
            into.add("cv.E063", label(question, answer) + " with Host: " + foreign);
    }
}

void check_forwarding(const edge& target, std::optional<std::uint16_t> http_port, const settings& config,
                      findings& into)
{
    const auto names_foreign = [](const edge_answer& answer) {
        return answer.body.find(foreign) != answer.body.npos ||
               std::any_of(answer.fields.begin(), answer.fields.end(), [](const auto& field) {
                   return std::string_view(field.value().data(), field.value().size()).find(foreign) !=
                          std::string_view::npos;
               });
    };
    const std::string hosts = std::string("X-Forwarded-Host: ") + foreign + "\r\nForwarded: host=" + foreign +
                              ";proto=http\r\nX-Host: " + foreign + "\r\n";
    std::vector<edge_question> questions{{.target = "/api/v1/cvs", .extra = hosts},
                                         {.target = "/api/v1/cvs/?limit=1", .extra = hosts}};
    if (http_port)
        questions.push_back({.target = list, .extra = hosts, .http_port = http_port});
    for (const auto& question : questions) {
        const auto answer = ask_edge(target, question);
        if (names_foreign(answer))
            into.add("cv.E064", label(question, answer));
    }
    const auto& proof = config.secure_proxy_ssl_header;
    const auto claim = [&proof](std::string_view scheme) {
        auto lines = "X-Forwarded-Proto: " + std::string(scheme) + "\r\nX-Forwarded-Ssl: on\r\n";
        if (!iequals(proof.name, "X-Forwarded-Proto") && scheme == "https")
            lines += proof.name + ": " + proof.value + "\r\n";
        return lines;
    };
    if (http_port) {
        const edge_question question{.target = list, .extra = claim("https"), .http_port = http_port};
        const auto honest = ask_edge(target, {.target = list, .http_port = http_port});
        const auto answer = ask_edge(target, question);
        if (is_redirect(honest) && answer.status != 0 && !is_redirect(answer) && answer.status != 429)
            into.add("cv.E065", label(question, answer) + " with X-Forwarded-Proto: https");
    }
    const edge_question question{.target = list, .extra = claim("http")};
    const auto answer = ask_edge(target, question);
    if (is_redirect(answer))
        into.add("cv.E065", label(question, answer) + " with X-Forwarded-Proto: http");
    const std::string id = "cv-check-chosen-by-the-client";
    const auto with_id = ask_edge(target, {.target = list, .extra = "X-Request-ID: " + id + "\r\n"});
    if (with_id.field("X-Request-ID") == id)
        into.add("cv.W066", std::string("GET ") + list);
}

void check_redirect(const edge& target, std::uint16_t http_port, findings& into)
{
    const edge_question question{.target = "/api/v1/cvs/?limit=1", .http_port = http_port};
    const auto answer = ask_edge(target, question);
    const auto where = label(question, answer);
    if (answer.status == 0) {
        into.add("cv.I077", where);
        return;
    }
    const auto location = answer.field("Location");
    const auto scheme = std::string_view("https://");
    const auto rest = location.substr(std::min(scheme.size(), location.size()));
    const auto place = http::split_host(rest.substr(0, rest.find('/')));
    const auto own = http::split_host(target.authority);
    if (!is_redirect(answer) || !location.starts_with(scheme) || !place || !own ||
        !iequals(place->name, own->name) || !location.ends_with(question.target))
        into.add("security.W008", where + (location.empty() ? "" : " to " + std::string(location)));
}

void check_hostile(const edge& target, findings& into)
{
    const std::string chunked = "0\r\n\r\n";
    const auto accepted = [&](finding_id id, const edge_question& question, const std::string& how) {
        const auto answer = ask_edge(target, question);
        if (is_accepted(answer))
            into.add(id, label(question, answer) + how);
    };
    accepted("cv.E069", {.target = list, .extra = "Content-Length: 4\r\n", .body = "body"},
             " with Content-Length: 4");
    accepted("cv.E069", {.target = list, .extra = "Transfer-Encoding: chunked\r\n", .body = chunked},
             " with Transfer-Encoding: chunked");
    accepted(
        "cv.E070",
        {.target = list, .extra = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", .body = chunked},
        " with Content-Length and Transfer-Encoding");
    accepted("cv.E070",
             {.target = list, .extra = "Content-Length: 0\r\nContent-Length: 4\r\n", .body = "body"},
             " with two Content-Length");
    accepted("cv.E070", {.target = list, .extra = "Transfer-Encoding : chunked\r\n", .body = chunked},
             " with a space before a colon");
    accepted("cv.E070", {.target = list, .extra = "Transfer-Encoding: xchunked\r\n", .body = chunked},
             " with an unknown Transfer-Encoding");
    accepted("cv.E070", {.target = list, .extra = "Host: " + std::string(foreign) + "\r\n"},
             " with two Host");
    for (const auto* method : {"TRACE", "PUT", "DELETE", "PATCH", "PROPFIND"})
        accepted("cv.W071", {list, method}, "");
    for (const auto* path : {"/livez", "/readyz", "/startupz"}) {
        const edge_question question{path};
        const auto answer = ask_edge(target, question);
        if ((answer.status == 200 || answer.status == 503) &&
            !answer.field("Content-Type").starts_with("text/html"))
            into.add("cv.W068", label(question, answer));
    }
    for (const auto* path : {"/metrics", "/config", "/events", "/nginx_status", "/server-status"}) {
        const edge_question question{path};
        const auto answer = ask_edge(target, question);
        if (answer.status == 200 && !answer.field("Content-Type").starts_with("text/html"))
            into.add("cv.E067", label(question, answer));
    }
    for (const std::string origin : {"https://unknown-origin.invalid", "null"}) {
        const auto answer = ask_edge(target, {.target = list, .extra = "Origin: " + origin + "\r\n"});
        if (const auto allowed = answer.field("Access-Control-Allow-Origin");
            allowed == "*" || allowed == origin)
            into.add("cv.E072",
                     "Origin: " + origin + " gets Access-Control-Allow-Origin: " + std::string(allowed));
    }
}

/// Whether the ports that are not for the public answer at the edge's address. On the machine itself that
/// says nothing: loopback answers as it should.
void check_back_doors(const edge& target, const settings& config, findings& into)
{
    for (const auto& address : target.addresses) {
        if (address.is_loopback())
            continue;
        const auto knock = [&](finding_id id, const std::vector<endpoint>& places) {
            for (const auto& where : places) {
                if (where.is_unix() || where.port == 0 || where.port == target.port)
                    continue;
                auto direct = target;
                direct.addresses = {address};
                const auto answer = ask_edge(direct, {.target = "/livez", .http_port = where.port});
                if (answer.status != 0)
                    into.add(id, target.host + " port " + std::to_string(where.port) + " answers " +
                                     std::to_string(answer.status));
            }
        };
        knock("cv.E075", config.sidecar_bind);
        knock("cv.W076", config.bind);
    }
}

/// Where the edge speaks http; nothing when the settings are not those of this edge and the port is not the
/// usual.
std::optional<std::uint16_t> http_port_of(const edge& target, const settings& config)
{
    if (target.port == config.https_port)
        return config.http_port;
    return target.port == 443 ? std::optional<std::uint16_t>(80) : std::nullopt;
}

} // namespace

std::optional<edge> parse_edge_url(std::string_view url)
{
    constexpr std::string_view scheme = "https://";
    if (!url.starts_with(scheme))
        return std::nullopt;
    url.remove_prefix(scheme.size());
    if (url.ends_with('/'))
        url.remove_suffix(1);
    const auto parts = http::split_host(url);
    if (!parts)
        return std::nullopt;
    edge target;
    target.authority = url;
    target.host = parts->name.starts_with('[') ? parts->name.substr(1, parts->name.size() - 2) : parts->name;
    target.port = parts->port.empty() ? 443 : parse_unsigned<std::uint16_t>(parts->port).value_or(0);
    target.is_address = parse_ip(target.host).has_value();
    return target.port == 0 ? std::nullopt : std::optional(target);
}

edge_answer ask_edge(const edge& target, const edge_question& question)
{
    try {
        auto places = target.addresses;
        if (question.http_port)
            for (auto& place : places)
                place = place.at(*question.http_port);
        edge_connection connection(places);
        if (!question.http_port)
            connection.start_tls(target.wish());
        return ask(connection, question.method + " " + question.target +
                                   " HTTP/1.1\r\nHost: " + question.host.value_or(target.authority) +
                                   "\r\nUser-Agent: cv-query-check\r\nAccept: */*\r\nConnection: close\r\n" +
                                   question.extra + "\r\n" + question.body);
    } catch (const edge_error& error) {
        edge_answer none;
        none.fault = error.reason;
        return none;
    }
}

std::string label(const edge_question& question, const edge_answer& answer)
{
    constexpr std::size_t longest = 60;
    auto target = question.target.substr(0, longest);
    if (question.target.size() > longest)
        target += "…";
    return (question.http_port ? "http port " + std::to_string(*question.http_port) + ": " : "") +
           question.method + " " + target + " (" +
           (answer.status ? std::to_string(answer.status) : answer.fault) + ")";
}

void check_edge(edge target, const settings& config, findings& into)
{
    std::string fault;
    target.addresses = resolve(target.host, target.port, fault);
    if (target.addresses.empty()) {
        into.add("cv.E060", target.host + ": " + fault);
        return;
    }
    check_back_doors(target, config, into);
    const auto http_port = http_port_of(target, config);
    if (http_port)
        check_redirect(target, *http_port, into);
    else
        into.add("cv.I077",
                 "which port speaks http is not known: HTTPS_PORT is not " + std::to_string(target.port));
    if (!check_edge_tls(target, into))
        return;
    const auto page = ask_edge(target, {});
    if (page.status == 0 && ask_edge(target, {list}).status == 0) {
        into.add("cv.E060", target.authority + ": " + label({}, page));
        return;
    }
    if (page.status != 0)
        check_answer_headers(page, label({}, page), into);
    check_expected(target, into);
    check_unknown_host(target, http_port, into);
    check_forwarding(target, http_port, config, into);
    check_hostile(target, into);
    check_edge_pages(target, config, page, into);
}

} // namespace cv

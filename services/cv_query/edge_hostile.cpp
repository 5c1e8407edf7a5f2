#include "cv_query/edge_check.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace cv {
namespace {

constexpr auto foreign = "unknown-host.invalid";
constexpr auto list = "/api/v1/cvs/";

bool is_accepted(const edge_answer& answer)
{
    return answer.status != 0 && answer.status < 400;
}

void check_unknown_host(const edge& target, std::optional<std::uint16_t> http_port, findings& into)
{
    std::vector<edge_question> questions{{.target = list, .host = foreign}, {.target = "/", .host = foreign}};
    if (http_port)
        questions.push_back({.target = list, .host = foreign, .http_port = http_port});
    for (const auto& question : questions) {
        const auto answer = ask_edge(target, question, into);
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
        const auto answer = ask_edge(target, question, into);
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
        const auto honest = ask_edge(target, {.target = list, .http_port = http_port}, into);
        const auto answer = ask_edge(target, question, into);
        if (answer_redirects(honest) && answer.status != 0 && !answer_redirects(answer) &&
            answer.status != 429)
            into.add("cv.E065", label(question, answer) + " with X-Forwarded-Proto: https");
    }
    const edge_question question{.target = list, .extra = claim("http")};
    const auto answer = ask_edge(target, question, into);
    if (answer_redirects(answer))
        into.add("cv.E065", label(question, answer) + " with X-Forwarded-Proto: http");
    const std::string id = "cv-check-chosen-by-the-client";
    const auto with_id = ask_edge(target, {.target = list, .extra = "X-Request-ID: " + id + "\r\n"}, into);
    if (with_id.field("X-Request-ID") == id)
        into.add("cv.W066", std::string("GET ") + list);
}

void check_hostile(const edge& target, const settings& config, findings& into)
{
    const std::string chunked = "0\r\n\r\n";
    const auto accepted = [&](finding_id id, const edge_question& question, const std::string& how) {
        const auto answer = ask_edge(target, question, into);
        if (is_accepted(answer) || answer.silent) // who waits for more takes it for a request
            into.add(id, label(question, answer) + how);
        else if (answer.status != 0)
            check_answer_headers(answer, label(question, answer) + how, into);
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
        const auto answer = ask_edge(target, question, into);
        if ((answer.status == 200 || answer.status == 503) &&
            !answer.field("Content-Type").starts_with("text/html"))
            into.add("cv.W068", label(question, answer));
    }
    for (const auto* path : {"/metrics", "/config", "/events", "/nginx_status", "/server-status"}) {
        const edge_question question{path};
        const auto answer = ask_edge(target, question, into);
        if (answer.status == 200 && !answer.field("Content-Type").starts_with("text/html"))
            into.add("cv.E067", label(question, answer));
    }
    std::vector<std::string> origins{"https://unknown-origin.invalid", "null"};
    for (const auto& allowed : config.cors_allowed_origins) // a pattern that forgets its end
        origins.push_back(allowed + ".unknown-origin.invalid");
    for (const auto& origin : origins) {
        const auto answer = ask_edge(target, {.target = list, .extra = "Origin: " + origin + "\r\n"}, into);
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

} // namespace

void check_edge_hostile(const edge& target, const settings& config, std::optional<std::uint16_t> http_port,
                        findings& into)
{
    check_back_doors(target, config, into);
    check_unknown_host(target, http_port, into);
    check_forwarding(target, http_port, config, into);
    check_hostile(target, config, into);
}

} // namespace cv

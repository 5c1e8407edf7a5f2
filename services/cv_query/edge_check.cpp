#include "cv_query/edge_check.hpp"

#include "base/address.hpp"
#include "base/text.hpp"
#include "http/host.hpp"

#include <algorithm>

namespace cv {
namespace {

constexpr auto list = "/api/v1/cvs/";

/// What is answered with all headers; what the API answers is held to its status too, unless that is 0.
struct expectation
{
    edge_question question;
    unsigned status;
    bool api;
    answer_kind kind = answer_kind::other;
};

std::vector<expectation> expectations()
{
    const std::string long_target = "/" + std::string(9'000, 'x');
    return {{{"/api/v1/"}, 200, true},
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

/// What can only be asked once the list is known: the first CV with all that hangs on it, and the list again.
std::vector<expectation> expectations_of(const edge_answer& listed)
{
    std::vector<expectation> more{{{"/api/v1/health/"}, 0, false}, {{"/docs/"}, 0, false}};
    constexpr std::string_view before = "[\"";
    const std::string_view body = listed.body;
    if (const auto at = body.find(before); at != body.npos) {
        const auto rest = body.substr(at + before.size());
        const auto cv = list + std::string(rest.substr(0, rest.find('"'))) + "/";
        more.push_back({{cv}, 200, true});
        more.push_back({{cv + "skills/"}, 0, true});
        more.push_back({{cv + "pdf/"}, 0, true, answer_kind::media});
        more.push_back({{cv + "picture/"}, 0, true, answer_kind::media});
    }
    if (const std::string tag(listed.field("ETag")); !tag.empty())
        more.push_back({{.target = list, .extra = "If-None-Match: " + tag + "\r\n"}, 304, true});
    return more;
}

edge_answer check_one(const edge& target, const expectation& wanted, findings& into)
{
    const auto answer = ask_edge(target, wanted.question, into);
    const auto where = label(wanted.question, answer);
    if (wanted.api && wanted.status != 0 && answer.status != wanted.status && answer.status != 429)
        into.add("cv.E061", where + ", but should be " + std::to_string(wanted.status));
    if (answer.status != 0) // closing the connection is an answer to what is bad
        check_answer_headers(answer, where, into, wanted.kind);
    if (answer.status >= 400)
        check_error(answer, where, wanted.api, into);
    return answer;
}

/// False when the service does not answer: more questions would only wait.
bool check_expected(const edge& target, findings& into)
{
    const auto listed = check_one(target, {{list}, 200, true}, into);
    if (listed.status == 0 || listed.status >= 500)
        return false;
    for (const auto& all : {expectations(), expectations_of(listed)})
        for (const auto& wanted : all)
            check_one(target, wanted, into);
    return true;
}

void check_redirect(const edge& target, std::uint16_t http_port, findings& into)
{
    const edge_question question{.target = "/api/v1/cvs/?limit=1", .http_port = http_port};
    const auto answer = ask_edge(target, question, into);
    const auto where = label(question, answer);
    if (answer.status == 0) {
        into.add("cv.I077", where);
        return;
    }
    check_answer_headers(answer, where, into, answer_kind::plain_http);
    if (answer.status == 429)
        return;
    const auto location = answer.field("Location");
    const auto scheme = std::string_view("https://");
    const auto rest = location.substr(std::min(scheme.size(), location.size()));
    const auto place = http::split_host(rest.substr(0, rest.find('/')));
    const auto own = http::split_host(target.authority);
    const bool for_good = answer.status == 301 || answer.status == 308;
    if (!for_good || !location.starts_with(scheme) || !place || !own || !iequals(place->name, own->name) ||
        (place->port.empty() ? "443" : place->port) != std::to_string(target.port) ||
        !location.ends_with(question.target))
        into.add("security.W008", where + (location.empty() ? "" : " to " + std::string(location)));
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
    if (!iequals(url.substr(0, scheme.size()), scheme))
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
        none.silent = error.silent;
        return none;
    }
}

edge_answer ask_edge(const edge& target, const edge_question& question, findings& into)
{
    auto answer = ask_edge(target, question);
    if (answer.status == 429)
        into.add("cv.W062", label(question, answer));
    return answer;
}

bool answer_redirects(const edge_answer& answer)
{
    return answer.status == 301 || answer.status == 302 || answer.status == 307 || answer.status == 308;
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
    const auto http_port = http_port_of(target, config);
    if (http_port)
        check_redirect(target, *http_port, into);
    else
        into.add("cv.I077",
                 "which port speaks http is not known: HTTPS_PORT is not " + std::to_string(target.port));
    if (!check_edge_tls(target, into))
        return;
    const auto page = ask_edge(target, {}, into);
    if (page.status == 0 && ask_edge(target, {list}).status == 0) {
        into.add("cv.E060", target.authority + ": " + label({}, page));
        return;
    }
    if (page.status != 0)
        check_answer_headers(page, label({}, page), into);
    if (check_expected(target, into))
        check_edge_hostile(target, config, http_port, into);
    check_edge_pages(target, config, page, into);
}

} // namespace cv

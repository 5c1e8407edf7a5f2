#include "cv_query/edge_check.hpp"

#include "base/address.hpp"
#include "base/text.hpp"
#include "http/host.hpp"

#include <algorithm>

namespace cv {
namespace {

constexpr auto list = "/api/v1/cvs/";

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

/// False when the service does not answer: more questions would only wait.
bool check_expected(const edge& target, findings& into)
{
    for (const auto& [question, status, api] : expectations()) {
        const auto answer = ask_edge(target, question);
        const auto where = label(question, answer);
        if (answer.status == 429)
            into.add("cv.W062", where);
        else if (api && answer.status != status)
            into.add("cv.E061", where + ", but should be " + std::to_string(status));
        if (answer.status != 0) // closing the connection is an answer to what is bad
            check_answer_headers(answer, where, into);
        if (answer.status >= 400)
            check_error(answer, where, api, into);
        if (question.target == list && (answer.status == 0 || answer.status >= 500))
            return false;
    }
    return true;
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
    if (!answer_redirects(answer) || !location.starts_with(scheme) || !place || !own ||
        !iequals(place->name, own->name) || !location.ends_with(question.target))
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
    const auto page = ask_edge(target, {});
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

#pragma once
#include "config/findings.hpp"
#include "config/settings.hpp"
#include "cv_query/edge_client.hpp"

#include <optional>

/// Asks a running edge what it really answers. Nothing here throws for what the edge does: that is a finding.
namespace cv {

/// The edge that a URL names.
struct edge
{
    std::string host;      ///< without the brackets of an IPv6 address
    std::string authority; ///< as clients send it in Host
    std::uint16_t port = 0;
    bool is_address = false; ///< the host is an address, which has no SNI
    std::vector<edge_address> addresses;

    tls_wish wish() const { return {.server_name = is_address ? std::string() : host}; }
};

/// Reads `https://NAME[:PORT][/]`; nothing for any other text. Its addresses are still to be looked up.
std::optional<edge> parse_edge_url(std::string_view url);

/// All that is asked: TLS, then good, bad and unknown requests, then files of the page.
void check_edge(edge target, const settings& config, findings& into);

/// Of check_edge: certificate, versions, ciphers. False when there is no edge to ask further.
bool check_edge_tls(const edge& target, findings& into);
/// Of check_edge: the page and the files that it names. `page` is the answer to `/`.
void check_edge_pages(const edge& target, const settings& config, const edge_answer& page, findings& into);

/// Of check_edge: unknown hosts, claims of clients, doubtful framing, and what is not for the public.
/// `http_port` is where it speaks http, when that is known.
void check_edge_hostile(const edge& target, const settings& config, std::optional<std::uint16_t> http_port,
                        findings& into);

/// One question, on a connection of its own.
struct edge_question
{
    std::string target = "/";
    std::string method = "GET";
    std::string extra = {}; ///< more header lines, each with CR LF
    std::string body = {};
    std::optional<std::string> host = std::nullopt;        ///< in Host, instead of the edge's own
    std::optional<std::uint16_t> http_port = std::nullopt; ///< without TLS, there
};
edge_answer ask_edge(const edge& target, const edge_question& question);

/// The same; that the edge limits this client is a finding, since what it would have answered stays unknown.
edge_answer ask_edge(const edge& target, const edge_question& question, findings& into);

/// Whether it sends the client elsewhere.
bool answer_redirects(const edge_answer& answer);

/// What an answer was given to, for people, as `GET /x (404)`.
std::string label(const edge_question& question, const edge_answer& answer);

/// What an answer's headers depend on: HSTS is for https alone, and other sites may embed media.
enum class answer_kind
{
    plain_http,
    media,
    other
};

/// Holds the headers of an answer against what each one must carry. `where` names it.
void check_answer_headers(const edge_answer& answer, const std::string& where, findings& into,
                          answer_kind kind = answer_kind::other);

/// Holds an error of the API against its form, and any error against carrying internals.
void check_error(const edge_answer& answer, const std::string& where, bool api, findings& into);

} // namespace cv

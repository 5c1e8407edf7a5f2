#pragma once
#include <array>
#include <cstddef>
#include <string_view>

/// Every kind of finding of the deploy check. Kinds of Django's that have a counterpart here keep Django's
/// id; the others are ours. The letter in an id of ours says the level; a number is never given twice.
/// docs/deploy-check.md is held to this table.
namespace cv {

enum class finding_level
{
    info,
    warning,
    error
};

struct finding_kind
{
    std::string_view id;
    finding_level level;
    std::string_view group; ///< of the report
    std::string_view what;  ///< is wrong
    std::string_view why;   ///< it matters
    std::string_view mend;  ///< what to do
};

namespace finding_groups {
inline constexpr std::string_view settings = "settings", files = "files", certificate = "certificate",
                                  tls = "TLS", headers = "headers", requests = "requests", pages = "pages";
}

// clang-format off
inline constexpr auto finding_table = std::to_array<finding_kind>({
    // Django's
    {"security.W004", finding_level::warning, finding_groups::headers, "Strict-Transport-Security is not sent",
     "a browser's first request may go over http, where anybody on the way can change the answer",
     "SECURE_HSTS_SECONDS=31536000, and the header on every answer of the edge"},
    {"security.W005", finding_level::warning, finding_groups::headers, "Strict-Transport-Security leaves out subdomains",
     "a subdomain reached over http can set cookies for this site", "SECURE_HSTS_INCLUDE_SUBDOMAINS=true"},
    {"security.W006", finding_level::warning, finding_groups::headers, "X-Content-Type-Options is not nosniff",
     "a browser may take an answer for a script", "X-Content-Type-Options: nosniff on every answer"},
    {"security.W008", finding_level::warning, finding_groups::requests, "http is not redirected to https",
     "what goes over http can be read and changed on its way",
     "SECURE_SSL_REDIRECT=true, and a 301 to https on HTTP_PORT"},
    {"security.W009", finding_level::warning, finding_groups::settings, "SECRET_KEY is missing or weak",
     "who guesses it may drain and reload the service, and undo the pseudonyms in the logs",
     "make one with: openssl rand -base64 48; give it as SECRET_KEY_FILE"},
    {"security.W012", finding_level::warning, finding_groups::settings, "SESSION_COOKIE_SECURE is not true",
     "a session's cookie would also go over http", "SESSION_COOKIE_SECURE=true"},
    {"security.W016", finding_level::warning, finding_groups::settings, "CSRF_COOKIE_SECURE is not true",
     "the cookie would also go over http", "CSRF_COOKIE_SECURE=true"},
    {"security.W018", finding_level::warning, finding_groups::settings, "DEBUG is on",
     "debugging output is not for production", "DEBUG=false"},
    {"security.W019", finding_level::warning, finding_groups::headers, "other sites may frame the answers",
     "a page in a hostile frame can be made to take clicks that were meant for something else",
     "X-Frame-Options: DENY, and frame-ancestors 'none' in Content-Security-Policy"},
    {"security.W020", finding_level::warning, finding_groups::settings, "ALLOWED_HOSTS is empty",
     "the service starts only when it knows its names", "name the hosts that clients use in ALLOWED_HOSTS"},
    {"security.W021", finding_level::info, finding_groups::headers, "the site does not ask for browsers' HSTS preload lists",
     "the very first visit is not covered; but an entry there is hard to take back, so it is nobody's default",
     "SECURE_HSTS_PRELOAD=true once every subdomain speaks https for good"},
    {"security.W022", finding_level::warning, finding_groups::headers, "Referrer-Policy is not sent",
     "other sites learn which page a visitor came from", "Referrer-Policy: no-referrer or same-origin on every answer"},
    {"security.E023", finding_level::error, finding_groups::headers, "Referrer-Policy has a value that does not protect",
     "browsers ignore an unknown value; unsafe-url sends everything", "Referrer-Policy: no-referrer or same-origin"},
    {"security.E024", finding_level::error, finding_groups::headers, "Cross-Origin-Opener-Policy is missing or wrong",
     "a site that opens this one keeps a hold on its window", "Cross-Origin-Opener-Policy: same-origin on every answer"},
    {"security.E026", finding_level::error, finding_groups::headers, "Content-Security-Policy is missing or no policy",
     "script that slips into a page runs", "Content-Security-Policy with default-src on every answer"},
    // ours: settings
    {"cv.E001", finding_level::error, finding_groups::settings, "a setting has a value that is not allowed",
     "the service does not start with it", "give it a value that is allowed: cv-query config tells all"},
    {"cv.W002", finding_level::warning, finding_groups::settings, "CV_ENV is not production",
     "the defaults of development are open: a published key, no redirect, local hosts", "CV_ENV=production"},
    {"cv.W003", finding_level::warning, finding_groups::settings, "LOG_LEVEL is debug",
     "logs fill the disk and tell more than they should", "LOG_LEVEL=info"},
    {"cv.W004", finding_level::warning, finding_groups::settings, "RATE_LIMIT is off",
     "one client can take the whole service", "RATE_LIMIT=100/m, or silence this where a platform limits"},
    {"cv.E005", finding_level::error, finding_groups::settings, "FORWARDED_ALLOW_IPS believes everybody",
     "any client can choose its address, scheme and request id", "name the proxy's addresses in FORWARDED_ALLOW_IPS"},
    {"cv.W006", finding_level::warning, finding_groups::settings, "an origin allowed by CORS is not https",
     "who sits between that site and its visitors reads the answers", "https:// origins in CORS_ALLOWED_ORIGINS"},
    {"cv.W007", finding_level::warning, finding_groups::settings, "ALLOWED_HOSTS allows any host",
     "links and redirects can be made to point anywhere", "name the hosts in ALLOWED_HOSTS, without *"},
    {"cv.E008", finding_level::error, finding_groups::settings, "the certificate or its key is not configured",
     "nginx cannot terminate TLS", "paths in TLS_CERTIFICATE and TLS_CERTIFICATE_KEY; off where a platform does it"},
    {"cv.I009", finding_level::info, finding_groups::settings, "TLS is left to a platform",
     "what it accepts and answers is not in these settings", "check what it answers with --url"},
    {"cv.W010", finding_level::warning, finding_groups::settings, "SIDECAR_BIND is reachable from other machines",
     "the sidecar shows settings, logs of events and metrics, and takes orders",
     "SIDECAR_BIND=127.0.0.1:8001 or unix:/path; silence this where a network of its own keeps others out"},
    {"cv.I011", finding_level::info, finding_groups::settings, "BIND is reachable from other machines",
     "who reaches the service itself goes past the edge", "BIND=unix:/path where nginx is on the same machine"},
    {"cv.W012", finding_level::warning, finding_groups::settings, "Strict-Transport-Security is short",
     "a visitor who comes back later is not covered", "SECURE_HSTS_SECONDS=31536000"},
    // ours: files
    {"cv.W020", finding_level::warning, finding_groups::files, "a file with secrets can be read by everybody",
     "every account of the machine can read SECRET_KEY", "chmod o-rwx FILE"},
    {"cv.E021", finding_level::error, finding_groups::files, "the certificate's key can be read by others",
     "who has the key can pretend to be this site", "chmod 600 FILE"},
    {"cv.W022", finding_level::warning, finding_groups::files, "the service may write its data folder",
     "a hole in the service could change CVs; it only ever reads them",
     "give the folder to another user, mode 755, or mount it read-only"},
    {"cv.E023", finding_level::error, finding_groups::files, "everybody may write to a folder of the service",
     "any account of the machine can swap the catalogue or the sockets", "chmod o-w FOLDER"},
    {"cv.E024", finding_level::error, finding_groups::files, "a CV file cannot be served",
     "its CV is missing, or an older one is served", "mend what the line names"},
    {"cv.E025", finding_level::error, finding_groups::files, "a locked file is not as SHA256SUMS says",
     "somebody has changed a file that was to stay", "restore it, or renew the list if the change was meant"},
    // ours: the certificate
    {"cv.E030", finding_level::error, finding_groups::certificate, "the certificate or its key cannot be read",
     "nginx does not start with it", "see that the file is there, in PEM form and readable for who checks"},
    {"cv.E031", finding_level::error, finding_groups::certificate, "the certificate has expired or is not valid yet",
     "browsers refuse the site", "renew it and reload nginx"},
    {"cv.E032", finding_level::error, finding_groups::certificate, "the certificate ends within 7 days",
     "browsers will refuse the site", "renew it and reload nginx"},
    {"cv.W033", finding_level::warning, finding_groups::certificate, "the certificate ends within 30 days",
     "its renewal should have happened by itself", "see why it has not been renewed"},
    {"cv.E034", finding_level::error, finding_groups::certificate, "certificate and key do not belong together",
     "nginx does not start with them", "give the key that the certificate was made for"},
    {"cv.W035", finding_level::warning, finding_groups::certificate, "the certificate's key or signature is weak",
     "it can be forged, and browsers refuse it", "RSA of 2048 bits or a P-256 key, signed with SHA-256"},
    {"cv.E036", finding_level::error, finding_groups::certificate, "the certificate is for other names",
     "browsers refuse the site", "a certificate for the name that clients use"},
    {"cv.E037", finding_level::error, finding_groups::certificate, "the certificate's chain is not trusted",
     "browsers refuse the site, but for a development certificate that was trusted by hand",
     "a certificate of a public authority with its whole chain; for one of your own set SSL_CERT_FILE"},
    // ours: TLS
    {"cv.E040", finding_level::error, finding_groups::tls, "TLS 1.0 or 1.1 is accepted",
     "both are broken and withdrawn (RFC 8996)", "ssl_protocols TLSv1.2 TLSv1.3"},
    {"cv.E041", finding_level::error, finding_groups::tls, "a weak cipher is accepted",
     "without forward secrecy and authenticated encryption, recorded traffic can be read later",
     "Mozilla's intermediate list of ciphers, and DH parameters of 2048 bits"},
    {"cv.W042", finding_level::warning, finding_groups::tls, "session tickets are on",
     "the key of the tickets, when it leaks, opens all traffic", "ssl_session_tickets off"},
    {"cv.W043", finding_level::warning, finding_groups::tls, "TLS 1.3 is not offered",
     "it is faster and safer", "ssl_protocols TLSv1.2 TLSv1.3"},
    {"cv.W044", finding_level::warning, finding_groups::tls, "the handshake for an unknown name succeeds",
     "scanners learn what runs behind an address", "a default server with ssl_reject_handshake on"},
    // ours: headers
    {"cv.W050", finding_level::warning, finding_groups::headers, "Content-Security-Policy lets in too much",
     "inline script and foreign sources are what it is to keep out", "'none', 'self' and hashes alone"},
    {"cv.W051", finding_level::warning, finding_groups::headers, "Cross-Origin-Embedder-Policy is missing or wrong",
     "foreign content may come into the page's process", "Cross-Origin-Embedder-Policy: require-corp"},
    {"cv.W052", finding_level::warning, finding_groups::headers, "Cross-Origin-Resource-Policy is missing or wrong",
     "other sites may embed the answer and measure it", "Cross-Origin-Resource-Policy: same-origin"},
    {"cv.W053", finding_level::warning, finding_groups::headers, "Permissions-Policy is not sent",
     "script in a page may ask for camera, place and more", "Permissions-Policy that turns off what is not used"},
    {"cv.W054", finding_level::warning, finding_groups::headers, "an answer names the server's software",
     "attackers look for versions with known holes", "more_clear_headers Server, and no X-Powered-By; silence this where a platform names itself"},
    {"cv.W055", finding_level::warning, finding_groups::headers, "a security header is sent twice",
     "browsers differ in which one they take", "let the edge alone send it"},
    {"cv.W056", finding_level::warning, finding_groups::headers, "a cookie lacks Secure, HttpOnly or SameSite",
     "it can be read on its way, by script, or sent by other sites", "set all three on every cookie"},
    {"cv.W057", finding_level::warning, finding_groups::headers, "an error of the API may be cached",
     "it stays in caches after the cause has gone", "Cache-Control: no-store on errors"},
    // ours: requests
    {"cv.E060", finding_level::error, finding_groups::requests, "the edge cannot be reached",
     "nothing of it could be checked", "see that nginx runs, and that name and port are right"},
    {"cv.E061", finding_level::error, finding_groups::requests, "the API answers otherwise than its contract says",
     "clients rely on it", "see nginx's error log, and that the service runs (docs/api.md says what is right)"},
    {"cv.W062", finding_level::warning, finding_groups::requests, "the edge limits this client",
     "what was asked after that could not be checked", "wait for a minute and check again"},
    {"cv.E063", finding_level::error, finding_groups::requests, "an unknown host is answered",
     "links, redirects and caches can be made to name a hostile host", "a default server that returns 444"},
    {"cv.E064", finding_level::error, finding_groups::requests, "X-Forwarded-Host or Forwarded is believed",
     "any client can make links and redirects that lead to a hostile host", "drop both fields at the edge"},
    {"cv.E065", finding_level::error, finding_groups::requests, "X-Forwarded-Proto of a client is believed",
     "a client over http passes for one over https", "proxy_set_header X-Forwarded-Proto $scheme at the edge"},
    {"cv.W066", finding_level::warning, finding_groups::requests, "X-Request-ID of a client is believed",
     "a client can give its requests the ids of others in the logs", "the edge sets an id of its own"},
    {"cv.E067", finding_level::error, finding_groups::requests, "metrics or settings are shown to the public",
     "they tell attackers what works", "serve neither at the edge; Prometheus asks the sidecar"},
    {"cv.W068", finding_level::warning, finding_groups::requests, "probes are shown to the public",
     "they are for the platform; they bypass the checks of hosts and limits", "no /livez and /readyz at the edge"},
    {"cv.E069", finding_level::error, finding_groups::requests, "a GET with a body is accepted",
     "edge and service may disagree where the next request begins", "refuse bodies at the edge (400)"},
    {"cv.E070", finding_level::error, finding_groups::requests, "a request of doubtful framing is accepted",
     "requests can be smuggled past the edge", "refuse it with 400 and close the connection"},
    {"cv.W071", finding_level::warning, finding_groups::requests, "TRACE or another method is accepted",
     "TRACE returns what a browser hides from script", "405 for all but GET, HEAD and OPTIONS"},
    {"cv.E072", finding_level::error, finding_groups::requests, "any origin may read the answers",
     "CORS_ALLOWED_ORIGINS is not what browsers are told", "no CORS header for an origin that is not allowed"},
    {"cv.E073", finding_level::error, finding_groups::requests, "an error's body carries internals",
     "paths, versions and traces help attackers", "error pages of your own for every status"},
    {"cv.W074", finding_level::warning, finding_groups::requests, "an error of the API is not in its JSON form",
     "clients cannot read it", "error_page for /api/ at the edge (docs/api.md has the form)"},
    {"cv.E075", finding_level::error, finding_groups::requests, "the sidecar is reachable from outside",
     "it shows settings and metrics, and takes orders", "SIDECAR_BIND on loopback or a unix socket, or a firewall"},
    {"cv.W076", finding_level::warning, finding_groups::requests, "the service is reachable beside the edge",
     "limits, TLS and headers of the edge do not hold there", "BIND on loopback or a unix socket, or a firewall"},
    {"cv.I077", finding_level::info, finding_groups::requests, "nothing could be asked over http",
     "visitors who type the bare name may not arrive", "serve the redirect to https on HTTP_PORT"},
    // ours: pages and static files
    {"cv.W080", finding_level::warning, finding_groups::pages, "the static manifest is missing",
     "the site was not built, or is not where nginx looks", "run scripts/collectstatic.sh; see --site of the proxy"},
    {"cv.W081", finding_level::warning, finding_groups::pages, "a file that the page needs is missing or not immutable",
     "the page is broken, or is fetched anew each time", "run scripts/collectstatic.sh and reload nginx"},
    {"cv.E082", finding_level::error, finding_groups::pages, "a file outside the site is served",
     "secrets and settings can be read", "end location and alias both with a slash; never serve hidden files"},
    {"cv.W083", finding_level::warning, finding_groups::pages, "a folder is listed", "it tells what nobody linked to",
     "autoindex off"},
    {"cv.W084", finding_level::warning, finding_groups::pages, "the page is missing", "visitors see an error",
     "run scripts/collectstatic.sh; see --site of the proxy"},
    {"cv.W085", finding_level::warning, finding_groups::pages, "an unknown page is not answered with 404",
     "search engines and caches keep what is not there", "404 for what is not there"},
    {"cv.W086", finding_level::warning, finding_groups::pages, "security.txt is missing or out of date although SECURITY_CONTACT is set",
     "who finds a hole cannot tell you", "serve /.well-known/security.txt (render the proxy's configuration again)"},
});
// clang-format on

/// An id that is in the table, as the compiler has seen.
class finding_id
{
public:
    consteval finding_id(const char* id) // NOLINT: a literal is an id
    {
        while (finding_table.at(index_).id != std::string_view(id))
            ++index_;
    }
    constexpr std::size_t index() const { return index_; }

private:
    std::size_t index_ = 0;
};

} // namespace cv

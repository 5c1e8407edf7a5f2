#include "config/values.hpp"

#include <limits>
#include <unistd.h>

namespace cv {

const std::string_view development_secret_key =
    "development-only: this key is published with the source, so it protects nothing";

namespace {

using text = std::string_view;

/// Stores what a reader found; false when it found nothing.
template <class Field, class Value>
bool put(Field& field, std::optional<Value> value)
{
    if (!value)
        return false;
    field = static_cast<Field>(std::move(*value));
    return true;
}

bool put_text(std::string& field, text value, bool allowed)
{
    if (allowed)
        field = value;
    return allowed;
}

constexpr auto whole = std::numeric_limits<std::uint64_t>::max();

/// A setting that counts seconds.
template <auto Member, std::uint64_t Low, std::uint64_t High>
bool seconds(settings& s, text v)
{
    return put(s.*Member, values::number(v, Low, High));
}

template <auto Member>
bool boolean(settings& s, text v)
{
    return put(s.*Member, values::boolean(v));
}

template <auto Member>
bool port(settings& s, text v)
{
    return put(s.*Member, values::number(v, 1, 65535));
}

template <auto Member>
bool path(settings& s, text v)
{
    return put_text(s.*Member, v, values::is_path(v));
}

bool refuse(settings&, text value)
{
    return value.empty();
}

bool read_env(settings& s, text v)
{
    if (v == "production")
        s.env = run_environment::production;
    else if (v == "development")
        s.env = run_environment::development;
    else if (v == "testing")
        s.env = run_environment::testing;
    else
        return false;
    return true;
}

bool read_secret_key(settings& s, text v)
{
    const bool known = v == development_secret_key && s.env != run_environment::production;
    return put_text(s.secret_key, v, known || values::is_secret_key(v));
}

bool read_max_requests(settings& s, text v)
{
    return put(s.max_requests, v == "off" ? std::optional<std::uint64_t>(0) : values::number(v, 0, whole));
}

bool read_log_level(settings& s, text v)
{
    return put(s.log_level, log::level_from(v));
}

bool read_log_format(settings& s, text v)
{
    if (v != "verbose" && v != "json")
        return false;
    s.log_format = v == "json" ? log::format::json : log::format::verbose;
    return true;
}

bool read_workers(settings& s, text v)
{
    if (v == "auto") {
        s.web_concurrency = static_cast<unsigned>(2 * ::sysconf(_SC_NPROCESSORS_ONLN) + 1);
        return true;
    }
    return put(s.web_concurrency, values::number(v, 1, 1024));
}

bool read_proxy_url(settings& s, text v)
{
    return put_text(s.proxy_url, v, v.empty() || values::is_proxy_url(v));
}

bool read_contact(settings& s, text v)
{
    return put_text(s.security_contact, v, v.empty() || values::is_url(v, {"mailto:", "https://", "tel:"}));
}

template <auto Member>
bool tls_path(settings& s, text v)
{
    return put_text(s.*Member, v, v == "off" || (v.starts_with('/') && values::is_path(v)));
}

constexpr text yes_no = "true or false";
constexpr text any_path = "a path";
constexpr text log_target = "- (the standard stream), off, or a path";

} // namespace

// name, default in production, in development and testing, meaning, allowed, reader, {required, secret,
// empty counts}
const std::vector<setting_row>& setting_table()
{
    static const std::vector<setting_row> table = {
        {"CV_ENV", "production", "production", "Picks the defaults, as a Django settings module would.",
         "production, development or testing", read_env},
        {"SECRET_KEY", "", development_secret_key,
         "Pseudonymises client addresses in logs and authorises operator actions (keyed hashes). Best given "
         "as "
         "SECRET_KEY_FILE.",
         "at least 50 characters, 5 different ones, and no example value; make one with: openssl rand "
         "-base64 48",
         read_secret_key, true, true},
        {"DEBUG", "false", "false", "Logs at level debug unless a level is set.", yes_no,
         boolean<&settings::debug>},
        {"ALLOWED_HOSTS", "", ".localhost,127.0.0.1,[::1],testserver",
         "The host names this service answers to; .example.com matches its subdomains too, * matches all.",
         "a comma list of host names or addresses, without scheme or port",
         [](settings& s, text v) { return put(s.allowed_hosts, values::hosts(v)); }, true},
        {"CORS_ALLOWED_ORIGINS", "", "", "Origins whose pages may read the answers.",
         "a comma list of origins such as https://app.example.org, in lower case and without a path",
         [](settings& s, text v) { return put(s.cors_allowed_origins, values::origins(v)); }},
        {"DATABASE_URL", "", "", "Where the CVs come from; empty: from files.",
         "nothing yet: reading CVs from a database is not available in this version; leave it empty", refuse,
         false, true},
        {"REDIS_URL", "", "", "A cache shared by several machines; empty: in-process memory.",
         "nothing yet: a shared cache is not available in this version; leave it empty", refuse, false, true},
        {"SENTRY_DSN", "", "", "Where crashes and 5xx are reported; empty: nowhere.",
         "nothing yet: error reporting is not available in this version; leave it empty", refuse, false,
         true},
        {"CV_DATA_DIR", "/usr/share/cv-backend/data", "data",
         "The folder that holds cvs/, pdfs/ and pics/; only read.", any_path, path<&settings::data_dir>},
        {"CV_STATE_DIR", "/var/lib/cv-backend", "build/state", "Where the compiled catalogue is kept.",
         any_path, path<&settings::state_dir>},
        {"CV_RUN_DIR", "/run/cv-backend", "build/run", "Sockets, scoreboard and pid file.", any_path,
         path<&settings::run_dir>},
        {"BIND", "0.0.0.0:8000", "127.0.0.1:8000", "Where the service listens; port 0 takes a free one.",
         "a comma list of ADDRESS:PORT, [IPV6]:PORT or unix:/path",
         [](settings& s, text v) { return put(s.bind, values::endpoints(v)); }},
        {"PORT", "", "", "Overrides the port of every TCP address in BIND, as platforms expect.",
         "a port from 1 to 65535", port<&settings::port>},
        {"WEB_CONCURRENCY", "auto", "auto", "Worker processes; auto: 2 x CPUs + 1.",
         "auto or a number from 1 to 1024", read_workers},
        {"MAX_REQUESTS", "off", "off", "A worker is replaced after that many requests.",
         "off or a whole number", read_max_requests},
        {"MAX_REQUESTS_JITTER", "0", "0", "At most so many requests are added to MAX_REQUESTS, by chance.",
         "a whole number",
         [](settings& s, text v) { return put(s.max_requests_jitter, values::number(v, 0, whole)); }, false},
        {"TIMEOUT", "30", "30", "A worker without a heartbeat for so many seconds is replaced.",
         "seconds from 1 to 3600", seconds<&settings::timeout, 1, 3600>},
        {"GRACEFUL_TIMEOUT", "30", "30", "Seconds that answers in flight get to finish at a stop.",
         "seconds from 0 to 3600", seconds<&settings::graceful_timeout, 0, 3600>},
        {"KEEPALIVE", "75", "75", "Seconds that an idle connection is kept.", "seconds from 1 to 3600",
         seconds<&settings::keepalive, 1, 3600>},
        {"ACCESS_LOG", "-", "-", "One line a request.", log_target, path<&settings::access_log>},
        {"ERROR_LOG", "-", "-", "Errors and events.", log_target, path<&settings::error_log>},
        {"LOG_LEVEL", "info", "info", "The least that the error log takes.",
         "debug, info, warning, error or critical", read_log_level},
        {"LOG_FORMAT", "verbose", "verbose", "verbose: LEVEL time module message; json: one object a line.",
         "verbose or json", read_log_format},
        {"PROC_NAME", "cv_backend", "cv_backend", "The name in ps.",
         "1 to 32 letters, digits, or any of _ . -",
         [](settings& s, text v) { return put_text(s.proc_name, v, values::is_process_name(v)); }, false},
        {"FORWARDED_ALLOW_IPS", "127.0.0.0/8,::1,unix", "127.0.0.0/8,::1,unix",
         "Peers whose X-Forwarded-* and X-Request-ID are believed; empty: nobody's.",
         "a comma list of addresses, networks such as 10.0.0.0/8, unix, or *",
         [](settings& s, text v) { return put(s.forwarded_allow_ips, peer_list::parse(v)); }, false, false,
         true},
        {"SECURE_SSL_REDIRECT", "true", "false",
         "A request not known to have come by https is redirected there (301).", yes_no,
         boolean<&settings::secure_ssl_redirect>},
        {"SECURE_PROXY_SSL_HEADER", "X-Forwarded-Proto: https", "X-Forwarded-Proto: https",
         "The field by which a trusted proxy says that a request came by https.", "NAME: VALUE",
         [](settings& s, text v) { return put(s.secure_proxy_ssl_header, values::header(v)); }},
        {"SECURE_HSTS_SECONDS", "31536000", "31536000", "max-age of Strict-Transport-Security; 0: none.",
         "seconds from 0 to 630720000", seconds<&settings::secure_hsts_seconds, 0, 630720000>},
        {"SECURE_HSTS_INCLUDE_SUBDOMAINS", "true", "true", "Adds includeSubDomains.", yes_no,
         boolean<&settings::secure_hsts_include_subdomains>},
        {"SECURE_HSTS_PRELOAD", "false", "false", "Adds preload.", yes_no,
         boolean<&settings::secure_hsts_preload>},
        {"SESSION_COOKIE_SECURE", "true", "true",
         "No cookie is set; one that ever passes nginx gets Secure, HttpOnly and SameSite.", yes_no,
         boolean<&settings::session_cookie_secure>},
        {"CSRF_COOKIE_SECURE", "true", "true", "As SESSION_COOKIE_SECURE.", yes_no,
         boolean<&settings::csrf_cookie_secure>},
        {"RATE_LIMIT", "100/m", "100/m",
         "Requests for each client address on /api/v1/cvs/, counted by nginx.",
         "off or COUNT/UNIT with the unit s, m, h or d, at least one a minute",
         [](settings& s, text v) { return put(s.rate_limit, values::rate(v)); }},
        {"HTTP_PORT", "80", "8080", "nginx's port for http.", "a port from 1 to 65535",
         port<&settings::http_port>},
        {"HTTPS_PORT", "443", "8443", "nginx's port for https.", "a port from 1 to 65535",
         port<&settings::https_port>},
        {"TLS_CERTIFICATE", "", "",
         "The certificate chain, where nginx terminates TLS; the sidecar watches its end.",
         "an absolute path, or off where the platform terminates TLS", tls_path<&settings::tls_certificate>},
        {"TLS_CERTIFICATE_KEY", "", "", "Its private key.",
         "an absolute path, or off where the platform terminates TLS",
         tls_path<&settings::tls_certificate_key>},
        {"PROXY_UPSTREAM", "", "",
         "Where nginx finds the service; empty: the unix sockets of BIND, else its addresses. One NAME:PORT "
         "alone "
         "is looked up again while nginx runs.",
         "a comma list of unix:/path, ADDRESS:PORT or [IPV6]:PORT, or one NAME:PORT",
         [](settings& s, text v) {
             return put_text(s.proxy_upstream, v, v.empty() || values::is_upstream(v));
         }},
        {"PROXY_URL", "", "", "Where the sidecar probes nginx; empty: nowhere.",
         "an http or https URL, or unix:/path", read_proxy_url},
        {"SECURITY_CONTACT", "", "", "What security.txt names; empty: no security.txt.",
         "a mailto:, https: or tel: URL", read_contact},
        {"SITE_INDEXING", "false", "false", "Whether search engines are invited.", yes_no,
         boolean<&settings::site_indexing>},
        {"SIDECAR_BIND", "127.0.0.1:8001", "127.0.0.1:8001", "Where the health sidecar listens.",
         "a comma list of ADDRESS:PORT, [IPV6]:PORT or unix:/path",
         [](settings& s, text v) { return put(s.sidecar_bind, values::endpoints(v)); }},
    };
    return table;
}

} // namespace cv

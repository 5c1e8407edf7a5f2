#include "config/deploy_check.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace cv {
namespace {

/// The least that HSTS is worth: half a year, as the common tests have it.
constexpr std::chrono::seconds short_hsts{15'768'000};

const effective_setting& find(const configuration& config, std::string_view name)
{
    return *std::find_if(config.all.begin(), config.all.end(),
                         [name](const effective_setting& one) { return one.row->name == name; });
}

bool names(const std::string& line, std::string_view setting)
{
    return line.starts_with(setting) && line.size() > setting.size() &&
           (line[setting.size()] == ' ' || line[setting.size()] == '=');
}

bool is_loopback(const endpoint& where)
{
    return where.is_unix() || where.host.starts_with("127.") || where.host == "::1";
}

/// Whether so many peers are believed that they cannot all be one's own: as in `0.0.0.0/1,128.0.0.0/1`.
/// Private networks are no larger than 10.0.0.0/8 and fc00::/7.
bool is_half_the_world(std::string_view network)
{
    const auto slash = network.find('/');
    const auto bits =
        slash == network.npos ? std::nullopt : parse_unsigned<unsigned>(network.substr(slash + 1));
    if (!bits)
        return false;
    if (network.starts_with("::ffff:")) // IPv4 in the form of IPv6
        return *bits < 96 + 8;
    return *bits < (network.find(':') == network.npos ? 8U : 7U);
}

void check_hsts(const settings& values, findings& into)
{
    const auto seconds = values.secure_hsts_seconds;
    if (seconds.count() == 0) {
        into.add("security.W004", "SECURE_HSTS_SECONDS=0");
        return;
    }
    if (seconds < short_hsts)
        into.add("cv.W012", "SECURE_HSTS_SECONDS=" + std::to_string(seconds.count()));
    if (!values.secure_hsts_include_subdomains)
        into.add("security.W005", "SECURE_HSTS_INCLUDE_SUBDOMAINS=false");
    if (!values.secure_hsts_preload)
        into.add("security.W021", "SECURE_HSTS_PRELOAD=false");
}

void check_bindings(const settings& values, findings& into)
{
    for (const auto& where : values.sidecar_bind)
        if (!is_loopback(where))
            into.add("cv.W010", "SIDECAR_BIND=" + to_string(where));
    for (const auto& where : values.bind)
        if (!is_loopback(where))
            into.add("cv.I011", "BIND=" + to_string(where));
}

void check_tls_settings(const settings& values, findings& into)
{
    const bool off = values.tls_certificate == "off";
    if (off)
        into.add("cv.I009", "TLS_CERTIFICATE=off");
    for (const auto& [name, value] : {std::pair{"TLS_CERTIFICATE", values.tls_certificate},
                                      std::pair{"TLS_CERTIFICATE_KEY", values.tls_certificate_key}})
        if (!off && (value.empty() || value == "off"))
            into.add("cv.E008",
                     std::string(name) + (value.empty() ? " is not set" : "=off while the other is set"));
}

} // namespace

void check_settings(const configuration& config, findings& into)
{
    const auto& values = config.values;
    for (const auto& line : config.problems) // each names its setting; never a secret's value
        if (names(line, "SECRET_KEY"))
            into.add("security.W009", line);
        else
            into.add("cv.E001", line);
    for (const auto& line : config.missing)
        if (names(line, "SECRET_KEY"))
            into.add("security.W009", line);
        else if (names(line, "ALLOWED_HOSTS"))
            into.add("security.W020", line);
        else
            into.add("cv.E001", line);
    if (values.env != run_environment::production)
        into.add("cv.W002", "CV_ENV=" + find(config, "CV_ENV").value);
    if (values.secret_key == development_secret_key)
        into.add("security.W009", "SECRET_KEY is the published one of development");
    if (!values.session_cookie_secure)
        into.add("security.W012", "SESSION_COOKIE_SECURE=false");
    if (!values.csrf_cookie_secure)
        into.add("security.W016", "CSRF_COOKIE_SECURE=false");
    if (values.debug)
        into.add("security.W018", "DEBUG=true");
    if (values.log_level == log::level::debug)
        into.add("cv.W003", "LOG_LEVEL=debug");
    if (values.rate_limit.count == 0 && find(config, "RATE_LIMIT").value == "off")
        into.add("cv.W004", "RATE_LIMIT=off");
    for (const auto part : split_list(find(config, "FORWARDED_ALLOW_IPS").value))
        if (part == "*" || is_half_the_world(part))
            into.add("cv.E005", "FORWARDED_ALLOW_IPS names " + std::string(part));
    for (const auto& origin : values.cors_allowed_origins)
        if (!origin.starts_with("https://"))
            into.add("cv.W006", "CORS_ALLOWED_ORIGINS names " + origin);
    if (std::find(values.allowed_hosts.begin(), values.allowed_hosts.end(), "*") !=
        values.allowed_hosts.end())
        into.add("cv.W007", "ALLOWED_HOSTS names *");
    if (!values.secure_ssl_redirect)
        into.add("security.W008", "SECURE_SSL_REDIRECT=false");
    check_hsts(values, into);
    check_bindings(values, into);
    check_tls_settings(values, into);
}

} // namespace cv

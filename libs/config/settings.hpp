#pragma once
#include "base/address.hpp"
#include "base/log.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cv {

enum class run_environment
{
    production,
    development,
    testing
};

/// Requests per window and client address; a count of 0 is no limit.
struct rate_limit
{
    std::uint32_t count = 0;
    std::chrono::seconds window{};
};

/// A field name and the value that says a request came by https.
struct header_match
{
    std::string name;
    std::string value;
};

/// Every setting with its type. What each one means, its default and what is allowed stand in
/// config/table.cpp, from which --help, docs/settings.md and .env.example are held true. Plain data.
struct settings
{
    run_environment env = run_environment::production;
    std::string secret_key;
    bool debug = false;
    std::vector<std::string> allowed_hosts;
    std::vector<std::string> cors_allowed_origins;
    std::string data_dir;
    std::string state_dir;
    std::string run_dir;
    std::vector<endpoint> bind;
    std::uint16_t port = 0; ///< 0: as in `bind`
    unsigned web_concurrency = 1;
    std::uint64_t max_requests = 0; ///< 0: never
    std::uint64_t max_requests_jitter = 0;
    std::chrono::seconds timeout{};
    std::chrono::seconds graceful_timeout{};
    std::chrono::seconds keepalive{};
    std::string access_log;
    std::string error_log;
    log::level log_level = log::level::info;
    log::format log_format = log::format::verbose;
    std::string proc_name;
    peer_list forwarded_allow_ips;
    bool secure_ssl_redirect = true;
    header_match secure_proxy_ssl_header;
    std::chrono::seconds secure_hsts_seconds{};
    bool secure_hsts_include_subdomains = true;
    bool secure_hsts_preload = false;
    bool session_cookie_secure = true;
    bool csrf_cookie_secure = true;
    cv::rate_limit rate_limit;
    std::uint16_t http_port = 0;
    std::uint16_t https_port = 0;
    std::string tls_certificate;
    std::string tls_certificate_key;
    std::string proxy_upstream;
    std::string proxy_url;
    std::string security_contact;
    bool site_indexing = false;
    std::vector<endpoint> sidecar_bind;
};

/// One row of the table of settings.
struct setting_row
{
    std::string_view name;
    std::string_view production;  ///< default
    std::string_view development; ///< default there and in testing
    std::string_view meaning;
    std::string_view allowed; ///< completes "allowed: …"
    /// Puts a value into the settings; false when it is not allowed.
    bool (*read)(settings& into, std::string_view value);
    bool required = false;     ///< to serve
    bool secret = false;       ///< never printed
    bool empty_counts = false; ///< an empty value is a value; elsewhere it reads as not set
};

/// The table, in the order of docs/settings.md.
const std::vector<setting_row>& setting_table();

/// The flag of a setting: `--cv-data-dir` for CV_DATA_DIR.
std::string flag_of(std::string_view name);

/// The fixed key of the development and testing defaults; refused in production.
extern const std::string_view development_secret_key;

} // namespace cv

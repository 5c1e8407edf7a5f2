#include "cv_health/sidecar_api.hpp"

#include "base/digest.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "cv_health/metrics.hpp"
#include "cv_health/page.hpp"
#include "http/target.hpp"
#include "process/control.hpp"

#include <algorithm>
#include <openssl/evp.h>

namespace cv {
namespace {

using boost::json::array;
using boost::json::object;
using http::status;

constexpr std::string_view json_type = "application/json";
constexpr std::string_view plain_type = "text/plain; charset=utf-8";

void begin(http::response& out, std::string_view type)
{
    out.set("Content-Type", type);
    out.set("Cache-Control", "no-store");
    out.set("X-Content-Type-Options", "nosniff");
}

/// The values of a parameter that may be given again and again; false when the query is malformed.
bool read_all_of(const http::request& in, std::string_view name, std::vector<std::string>& values,
                 bool* flag = nullptr, std::string_view flag_name = {})
{
    for (const auto part : split_list(in.head.query, '&')) {
        const auto equals = part.find('=');
        std::string key;
        std::string value;
        if (!percent_decode(part.substr(0, equals), true, key) ||
            (equals != part.npos && !percent_decode(part.substr(equals + 1), true, value)))
            return false;
        if (key == name)
            values.push_back(value);
        if (flag && key == flag_name)
            *flag = true;
    }
    return true;
}

/// With the client's own address: operators are few, and who has drained a site must be found.
void tell_security(const http::request& in, std::string_view what, std::string_view wish)
{
    log::write(log::level::warning, "security", what,
               {{"request_id", in.id},
                {"client", in.peer.address ? to_string(*in.peer.address) : "unix"},
                {"wish", wish}});
}

} // namespace

std::string operator_token(const std::string& secret_key)
{
    return to_hex(hmac_sha256(secret_key, "cv-backend operator token"));
}

sidecar_api::sidecar_api(const observer& seen, const configuration& config)
    : seen_(seen), config_(config), token_(operator_token(config.values.secret_key))
{
    const auto digest = sha256({page_style});
    char hash[64];
    EVP_EncodeBlock(reinterpret_cast<unsigned char*>(hash), digest.data(), static_cast<int>(digest.size()));
    page_policy_ = "default-src 'none'; style-src 'sha256-" + std::string(hash) +
                   "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
}

void sidecar_api::answer_probe(const http::request& in, http::response& out, std::string_view probe,
                               const conditions& all)
{
    std::vector<std::string> excluded;
    bool verbose = false;
    if (!read_all_of(in, "exclude", excluded, &verbose, "verbose"))
        return out.set_error(status::bad_request, "Malformed request");
    std::string text;
    bool good = true;
    for (const auto& one : all) {
        const auto name = std::string(one.name);
        if (std::erase(excluded, name) > 0) {
            text += "[+]" + name + " excluded: ok\n";
        } else if (one.fault.empty()) {
            text += "[+]" + name + " ok\n";
        } else {
            text += "[-]" + name + " failed: " + one.fault + "\n";
            good = false;
        }
    }
    for (const auto& name : excluded)
        text += "warn: there is no check " + printable(name) + " to exclude\n";
    begin(out, plain_type);
    out.code = good ? status::ok : status::service_unavailable;
    out.text =
        good && !verbose ? "ok\n" : text + std::string(probe) + " check " + (good ? "passed\n" : "failed\n");
}

void sidecar_api::livez(const http::request& in, http::response& out)
{
    answer_probe(in, out, "livez", {{"ping", {}}}); // it answers: that is all there is to it
}

void sidecar_api::readyz(const http::request& in, http::response& out)
{
    answer_probe(in, out, "readyz", seen_.readiness());
}

void sidecar_api::readyz_part(const http::request& in, http::response& out)
{
    const auto all = seen_.readiness();
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.name == in.path[0]; });
    if (found == all.end()) {
        array names;
        for (const auto& one : all)
            names.emplace_back(one.name);
        return out.set_error(status::not_found, "Not found",
                             object{{"check", in.path[0]}, {"valid_checks", std::move(names)}});
    }
    answer_probe(in, out, "readyz", {*found});
}

void sidecar_api::startupz(const http::request& in, http::response& out)
{
    answer_probe(in, out, "startupz",
                 {{"started", seen_.has_started() ? "" : "no instance of the service has started yet"}});
}

void sidecar_api::health(const http::request&, http::response& out)
{
    const auto report = health::make_report(seen_.checks(), CV_VERSION, std::chrono::system_clock::now());
    begin(out, json_type);
    out.code = report.healthy() ? status::ok : status::service_unavailable;
    out.text = report.body;
}

void sidecar_api::metrics(const http::request& in, http::response& out)
{
    const auto form = health::metrics_text::preferred(in.field("Accept"));
    begin(out, health::metrics_text::content_type(form));
    out.set("Vary", "Accept");
    out.text = write_metrics(seen_, form);
}

void sidecar_api::page(const http::request&, http::response& out)
{
    begin(out, "text/html; charset=utf-8");
    out.set("Content-Security-Policy", page_policy_);
    out.set("X-Frame-Options", "DENY");
    out.set("Referrer-Policy", "no-referrer");
    out.text = write_page(seen_);
}

void sidecar_api::config(const http::request&, http::response& out)
{
    array all;
    for (const auto& setting : config_.all)
        all.push_back(
            object{{"name", setting.row->name}, {"value", setting.shown()}, {"source", setting.source}});
    begin(out, json_type);
    out.text = boost::json::serialize(object{{"settings", std::move(all)}});
}

void sidecar_api::events(const http::request&, http::response& out)
{
    array all;
    for (const auto& change : seen_.changes())
        all.push_back(object{{"time", timestamp(change.time)},
                             {"check", change.check},
                             {"from", name(change.from)},
                             {"to", name(change.to)},
                             {"reason", change.reason},
                             {"lasted_seconds", change.lasted.count()}});
    begin(out, json_type);
    out.text = boost::json::serialize(object{{"events", std::move(all)}});
}

bool sidecar_api::is_operator(const http::request& in) const
{
    const auto given = in.field("Authorization");
    constexpr std::string_view scheme = "Bearer ";
    if (given.size() <= scheme.size() || !iequals(given.substr(0, scheme.size()), scheme))
        return false;
    // Of digests, so that not even the length is told.
    return equal_in_constant_time(to_hex(sha256({trim(given.substr(scheme.size()))})),
                                  to_hex(sha256({token_})));
}

void sidecar_api::loglevel(const http::request& in, http::response& out)
{
    std::vector<std::string> levels;
    if (!read_all_of(in, "level", levels))
        return out.set_error(status::bad_request, "Malformed request");
    const bool good = levels.size() == 1 && log::level_from(levels[0]);
    if (!good && is_operator(in)) {
        tell_security(in, "an operator asks for a level that there is not", "loglevel");
        return out.set_error(
            status::bad_request, "Invalid level",
            object{{"valid_levels", array{"debug", "info", "warning", "error", "critical"}}});
    }
    act(in, out, good ? "loglevel " + to_lower(levels[0]) : std::string());
}

void sidecar_api::act(const http::request& in, http::response& out, const std::string& wish)
{
    const bool allowed = is_operator(in);
    tell_security(in, allowed ? "an operator asks" : "an operator's token is wrong", wish);
    if (!allowed) {
        out.set_error(status::unauthorized, "Unauthorized",
                      object{{"hint", "Authorization: Bearer, and the token that cv-health token prints"}});
        return out.set("WWW-Authenticate", "Bearer realm=\"cv-backend\"");
    }
    std::vector<std::string> names;
    if (!read_all_of(in, "instance", names))
        return out.set_error(status::bad_request, "Malformed request");
    object answers;
    bool good = true;
    for (const auto& one : seen_.instances()) {
        if (!names.empty() && std::find(names.begin(), names.end(), one.name) == names.end())
            continue;
        if (!one.alive) {
            answers[one.name] = "gone";
            continue;
        }
        const auto answer = ask_arbiter(one.files.control(), wish);
        good = good && answer.starts_with("ok");
        answers[one.name] = answer;
    }
    if (answers.empty())
        return out.set_error(status::not_found, "No such instance");
    begin(out, json_type);
    out.code = good ? status::ok : status::bad_gateway;
    out.text = boost::json::serialize(object{{"instances", std::move(answers)}});
}

} // namespace cv

#include "base/text.hpp"
#include "cv_query/edge_check.hpp"

#include <algorithm>
#include <array>

namespace cv {
namespace {

using text = std::string_view;

bool is_one_of(text value, std::initializer_list<text> list)
{
    return std::any_of(list.begin(), list.end(), [value](text one) { return iequals(value, one); });
}

/// The value of a directive (`max-age=5; …`, `default-src 'self'; …`); nothing when it is not there.
std::optional<text> directive(text header, text name, char separator)
{
    for (const auto part : split_list(header, ';')) {
        const auto end = std::min(part.find(separator), part.size());
        if (iequals(trim(part.substr(0, end)), name))
            return trim(part.substr(std::min(end + 1, part.size())));
    }
    return std::nullopt;
}

void check_hsts(const edge_answer& answer, const std::string& where, findings& into)
{
    const auto value = answer.field("Strict-Transport-Security");
    const auto age = directive(value, "max-age", '=');
    const auto seconds = age ? parse_unsigned<std::uint64_t>(*age) : std::nullopt;
    if (!seconds || *seconds == 0) {
        into.add("security.W004", where + (value.empty() ? "" : ": " + std::string(value)));
        return;
    }
    constexpr std::uint64_t half_a_year = 15'768'000;
    if (*seconds < half_a_year)
        into.add("cv.W012", where + ": max-age=" + std::to_string(*seconds));
    if (!directive(value, "includeSubDomains", '='))
        into.add("security.W005", where);
    if (!directive(value, "preload", '='))
        into.add("security.W021", "the edge's header");
}

void check_csp(const edge_answer& answer, const std::string& where, findings& into)
{
    const auto policy = answer.field("Content-Security-Policy");
    const auto fallback = directive(policy, "default-src", ' ');
    if (!fallback) {
        into.add("security.E026", where + (policy.empty() ? "" : ": it has no default-src"));
        return;
    }
    for (const auto part : split_list(policy, ';')) {
        if (part.find("-src") == part.npos)
            continue;
        for (const auto source : split_list(part.substr(std::min(part.find(' '), part.size())), ' '))
            if (!is_one_of(source, {"'none'", "'self'"}) && !source.starts_with("'sha") &&
                !source.starts_with("'nonce-"))
                into.add("cv.W050", where + ": " + std::string(part));
    }
}

void check_framing(const edge_answer& answer, const std::string& where, findings& into)
{
    const auto options = answer.field("X-Frame-Options");
    const auto ancestors = directive(answer.field("Content-Security-Policy"), "frame-ancestors", ' ');
    if (!options.empty() && !iequals(options, "DENY"))
        into.add("security.W019", where + ": X-Frame-Options: " + std::string(options));
    else if (options.empty() && ancestors != "'none'")
        into.add("security.W019", where);
}

void check_referrer(const edge_answer& answer, const std::string& where, findings& into)
{
    const auto value = answer.field("Referrer-Policy");
    if (value.empty()) {
        into.add("security.W022", where);
        return;
    }
    for (const auto one : split_list(value))
        if (!is_one_of(one,
                       {"no-referrer", "same-origin", "origin", "strict-origin", "origin-when-cross-origin",
                        "strict-origin-when-cross-origin", "no-referrer-when-downgrade"}))
            into.add("security.E023", where + ": " + std::string(value));
}

void check_cookies(const edge_answer& answer, const std::string& where, findings& into)
{
    const auto range = answer.fields.equal_range("Set-Cookie");
    for (auto cookie = range.first; cookie != range.second; ++cookie) {
        const text value(cookie->value().data(), cookie->value().size());
        for (const auto* flag : {"Secure", "HttpOnly", "SameSite"})
            if (const auto given = directive(value, flag, '='); !given || iequals(*given, "None"))
                into.add("cv.W056",
                         where + ": " + std::string(value.substr(0, value.find('='))) + " lacks " + flag);
    }
}

/// Words that stand in messages and pages of programs, and in no answer of this API.
constexpr auto internals = std::to_array<text>(
    {"nginx", "/usr/", "/var/", "/etc/", "/home/", "/srv/", "/run/", "/build/", "unix:/", "Traceback",
     "std::", "boost::", ".cpp:", ".hpp:", "what():", "errno", "MDB_", "SECRET_KEY", "Exception"});

} // namespace

void check_answer_headers(const edge_answer& answer, const std::string& where, findings& into,
                          answer_kind kind)
{
    if (kind != answer_kind::plain_http)
        check_hsts(answer, where, into);
    check_csp(answer, where, into);
    check_framing(answer, where, into);
    check_referrer(answer, where, into);
    check_cookies(answer, where, into);
    const auto suffix = [&answer, &where](text name) {
        const auto value = answer.field(name);
        return value.empty() ? where : where + ": " + std::string(value);
    };
    const auto holds = [&answer](text name, std::initializer_list<text> values) {
        const auto value = answer.field(name);
        return is_one_of(trim(value.substr(0, value.find(';'))), values);
    };
    if (!holds("X-Content-Type-Options", {"nosniff"}))
        into.add("security.W006", suffix("X-Content-Type-Options"));
    if (!holds("Cross-Origin-Opener-Policy",
               {"same-origin", "same-origin-allow-popups", "noopener-allow-popups"}))
        into.add("security.E024", suffix("Cross-Origin-Opener-Policy"));
    if (!holds("Cross-Origin-Embedder-Policy", {"require-corp", "credentialless"}))
        into.add("cv.W051", suffix("Cross-Origin-Embedder-Policy"));
    if (!holds("Cross-Origin-Resource-Policy", {"same-origin", "same-site"}) &&
        !(kind == answer_kind::media && holds("Cross-Origin-Resource-Policy", {"cross-origin"})))
        into.add("cv.W052", suffix("Cross-Origin-Resource-Policy"));
    if (answer.field("Permissions-Policy").empty())
        into.add("cv.W053", where);
    for (const auto* name : {"Server", "X-Powered-By", "Via", "X-AspNet-Version"}) {
        const auto value = answer.field(name);
        if (!value.empty())
            into.add("cv.W054", where + ": " + name + ": " + std::string(value));
    }
    for (const auto* name :
         {"Strict-Transport-Security", "Content-Security-Policy", "X-Frame-Options", "X-Content-Type-Options",
          "Referrer-Policy", "Cross-Origin-Opener-Policy", "Cross-Origin-Embedder-Policy",
          "Cross-Origin-Resource-Policy", "Permissions-Policy"})
        if (answer.count(name) > 1)
            into.add("cv.W055", where + ": " + name);
}

void check_error(const edge_answer& answer, const std::string& where, bool api, findings& into)
{
    for (const auto word : internals)
        if (answer.body.find(word) != answer.body.npos)
            into.add("cv.E073", where + ": it holds `" + std::string(word) + "`");
    if (!api)
        return;
    const auto holds = [&answer](text part) { return answer.body.find(part) != answer.body.npos; };
    if (!answer.field("Content-Type").starts_with("application/json") || !holds("\"error\"") ||
        !holds("\"request_id\""))
        into.add("cv.W074", where + ": " + std::string(answer.field("Content-Type")));
    if (answer.field("Cache-Control").find("no-store") == text::npos)
        into.add("cv.W057", where);
}

} // namespace cv

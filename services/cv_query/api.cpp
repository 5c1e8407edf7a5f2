#include "cv_query/api.hpp"

#include "base/compress.hpp"
#include "base/digest.hpp"
#include "base/siphash.hpp"
#include "base/text.hpp"
#include "cv_query/answers.hpp"

#include <array>

extern "C" {
extern const char cv_openapi_begin; // NOLINT: the linker's names for the embedded docs/openapi.json
extern const char cv_openapi_end;   // NOLINT
}

namespace cv {
namespace {

using boost::json::array;
using boost::json::object;
using http::coding;
using http::status;

constexpr std::string_view json_type = "application/json";
/// What every answer with content says; in one piece, since it is put together for each request.
constexpr std::string_view content_fields = "Content-Type: application/json\r\n"
                                            "Cache-Control: public, max-age=300\r\n"
                                            "Vary: Accept-Encoding\r\n";
constexpr std::size_t whole_cv = section_count; ///< in place of a section
// A focus answer is coded for each request, so at the cheapest quality (docs/decisions/0005).
constexpr int quick_br = 0;
constexpr int quick_gzip = 1;

std::string_view openapi_text()
{
    // cppcheck-suppress comparePointers ; the two names mark the ends of one text
    return {&cv_openapi_begin, static_cast<std::size_t>(&cv_openapi_end - &cv_openapi_begin)};
}

array language_array(unsigned bits)
{
    array names;
    for (std::size_t i = 0; i < language_count; ++i)
        if ((bits >> i & 1) != 0)
            names.emplace_back(language_names[i]);
    return names;
}

std::string compress(std::string_view body, coding how)
{
    return how == coding::br ? compress_br(body, quick_br) : compress_gzip(body, quick_gzip);
}

} // namespace

api::api(source catalogue, media files, worker_surroundings around)
    : catalogue_(std::move(catalogue)), media_(std::move(files)), around_(std::move(around))
{
    openapi_tag_ = to_hex(sha256({compressor_versions(), openapi_text()})).substr(0, 32);
    index_ =
        boost::json::serialize(object{{"name", "cv-backend"},
                                      {"version", CV_VERSION},
                                      {"endpoints", object{{"health", "/api/v1/health/"},
                                                           {"cvs", "/api/v1/cvs/"},
                                                           {"cv", "/api/v1/cvs/{person}/"},
                                                           {"section", "/api/v1/cvs/{person}/{section}/"},
                                                           {"pdf", "/api/v1/cvs/{person}/pdf/"},
                                                           {"picture", "/api/v1/cvs/{person}/picture/"},
                                                           {"openapi", "/api/v1/openapi.json"}}}});
    index_tag_ = to_hex(sha256({index_})).substr(0, 32);
}

void api::livez(const http::request& in, http::response& out)
{
    if (!query_is_good(in, out))
        return;
    out.set("Content-Type", "text/plain; charset=utf-8");
    out.set("Cache-Control", "no-store");
    out.text = "ok\n";
}

void api::readyz(const http::request& in, http::response& out)
{
    if (!query_is_good(in, out))
        return;
    const auto generation = catalogue_();
    const auto reason = why_not_ready(generation.get(), around_);
    out.code = reason.empty() ? status::ok : status::service_unavailable;
    out.set("Content-Type", "text/plain; charset=utf-8");
    out.set("Cache-Control", "no-store");
    out.text = (reason.empty() ? "ok" : reason) + '\n';
}

void api::index(const http::request& in, http::response& out)
{
    if (!query_is_good(in, out))
        return;
    serve_prepared(in, out, {index_, {}, {}, index_tag_}, nullptr);
}

void api::health(const http::request& in, http::response& out)
{
    if (!query_is_good(in, out))
        return;
    const auto generation = catalogue_();
    const auto report = make_query_report(generation.get(), around_, CV_VERSION);
    out.code = report.healthy() ? status::ok : status::service_unavailable;
    out.set("Content-Type", json_type);
    out.set("Cache-Control", "no-store");
    out.text = report.body;
}

void api::openapi(const http::request& in, http::response& out)
{
    if (!query_is_good(in, out))
        return;
    if (openapi_br_.empty()) { // not at the start: a worker is to be ready at once, and few ever ask for this
        constexpr int quality = 9;
        openapi_br_ = compress_br(openapi_text(), quality);
        openapi_gzip_ = compress_gzip(openapi_text(), quality);
    }
    serve_prepared(in, out, {openapi_text(), openapi_br_, openapi_gzip_, openapi_tag_}, nullptr);
}

void api::serve_prepared(const http::request& in, http::response& out, const prepared_body& body,
                         std::shared_ptr<const void> keeper)
{
    const auto weights = weights_of(in);
    auto how = weights.choose();
    if (!how)
        return not_acceptable(out);
    const auto stored = *how == coding::br ? body.br : *how == coding::gzip ? body.gzip : std::string_view();
    if (stored.empty() && weights.accepts_identity())
        how = coding::identity; // small enough to stay as it is
    out.fields += content_fields;
    etag_.assign("\"").append(body.tag).append("-").append(http::name(*how)).append("\"");
    if (*how != coding::identity)
        out.set("Content-Encoding", http::name(*how));
    if (is_known(in, out, etag_))
        return;
    if (*how == coding::identity)
        out.set_body(std::move(keeper), body.text);
    else if (!stored.empty())
        out.set_body(std::move(keeper), stored);
    else
        out.text = compress(body.text, *how);
}

void api::list(const http::request& in, http::response& out)
{
    std::array<http::parameter, 2> parameters{{{"limit"}, {"after"}}};
    if (!http::read_parameters(in.head.query, parameters, *in.scratch))
        return out.set_error(status::bad_request, "Malformed request");
    const auto& [limit, after] = parameters;
    constexpr std::size_t largest_page = 1000;
    const auto count = parse_unsigned<std::size_t>(limit.value);
    if (limit.count > 1 || (limit.count == 1 && (!count || *count < 1 || *count > largest_page)))
        return out.set_error(status::bad_request, "Invalid limit",
                             object{{"limit", given(in, "limit", limit.count)}});
    if (after.count > 1 || (after.count == 1 && !is_person(after.value)))
        return out.set_error(status::bad_request, "Invalid after",
                             object{{"after", given(in, "after", after.count)}});
    auto generation = catalogue_();
    if (!generation || generation->state().documents == 0)
        return unavailable(out);
    if (limit.count + after.count == 0) {
        const auto& body = generation->list();
        return serve_prepared(in, out, body, std::move(generation));
    }
    std::string text = "{\"cvs\":[";
    const auto page = generation->list_page(after.value, count.value_or(static_cast<std::size_t>(-1)), text);
    text += "]}";
    const auto tag = to_hex(sha256({text, page.more ? "+" : ""})).substr(0, 32);
    serve_prepared(in, out, {text, {}, {}, tag}, nullptr);
    if (out.is_error)
        return;
    if (page.more) {
        std::string link = "</api/v1/cvs/?";
        if (count)
            link += "limit=" + std::to_string(*count) + "&";
        out.set("Link", link + "after=" + std::string(page.last) + ">; rel=\"next\"");
    }
    // A page lives nowhere but here, so the answer keeps it.
    if (out.code == status::ok && out.text.empty()) {
        out.set_body(nullptr, {});
        auto kept = std::make_shared<const std::string>(std::move(text));
        const std::string_view view = *kept;
        out.set_body(std::move(kept), view);
    }
}

bool api::read(const http::request& in, http::response& out, bool takes_focus, wanted& to)
{
    std::array<http::parameter, 2> parameters{{{"lang"}, {"focus"}}};
    const auto fail = [&out](std::string_view message, boost::json::value detail = nullptr) {
        out.set_error(status::bad_request, message, std::move(detail));
        return false;
    };
    if (!http::read_parameters(in.head.query, parameters, *in.scratch))
        return fail("Malformed request");
    const auto& [lang, focus] = parameters;
    to.person = in.path[0];
    if (!is_person(to.person))
        return fail("Invalid person", object{{"person", to.person}});
    if (lang.count > 0) {
        const auto known = lang.count == 1 ? language_from(lang.value) : std::nullopt;
        if (!known)
            return fail("Invalid language", object{{"lang", given(in, "lang", lang.count)},
                                                   {"valid_languages", language_array(0b111)}});
        to.lang = *known;
    }
    constexpr std::size_t longest_focus = 64;
    if (takes_focus && focus.count > 0) {
        if (focus.count > 1 || focus.value.empty() || focus.value.size() > longest_focus ||
            has_control_character(focus.value))
            return fail("Invalid focus", object{{"focus", given(in, "focus", focus.count)}});
        to.focus = focus.value == full_cv ? std::string_view() : focus.value;
    }
    to.generation = catalogue_();
    if (!to.generation || to.generation->state().documents == 0) {
        unavailable(out);
        return false;
    }
    return true;
}

bool api::find(const http::request&, http::response& out, wanted& to, document_view& document)
{
    auto found = to.generation->find(to.person, to.lang);
    if (!found && to.lang != language::en) {
        found = to.generation->find(to.person, language::en);
        if (found)
            to.lang = language::en;
    }
    if (found) {
        document = *found;
        return true;
    }
    object detail{{"person", to.person}};
    if (const auto languages = to.generation->languages(to.person); languages != 0) {
        detail["lang"] = name(to.lang);
        detail["available_languages"] = language_array(languages);
    }
    out.set_error(status::not_found, "CV not found", std::move(detail));
    return false;
}

void api::cv(const http::request& in, http::response& out)
{
    wanted what;
    document_view document;
    if (read(in, out, true, what) && find(in, out, what, document))
        serve(in, out, what, document, whole_cv);
}

void api::section(const http::request& in, http::response& out)
{
    wanted what;
    document_view document;
    if (!read(in, out, true, what) || !find(in, out, what, document))
        return;
    const auto section = section_from(in.path[1]);
    if (!section) {
        array valid;
        for (const auto section_name : section_names)
            valid.emplace_back(section_name);
        return out.set_error(status::not_found, "Section not found",
                             object{{"section", in.path[1]}, {"valid_sections", std::move(valid)}});
    }
    if (document.section(*section).empty())
        return out.set_error(status::not_found, "Section not found",
                             object{{"person", what.person}, {"section", in.path[1]}});
    serve(in, out, what, document, *section);
}

void api::serve(const http::request& in, http::response& out, const wanted& what,
                const document_view& document, std::size_t section)
{
    const bool whole = section == whole_cv;
    const bool filtered = !what.focus.empty();
    const auto weights = weights_of(in);
    auto how = weights.choose();
    if (!how)
        return not_acceptable(out);

    std::string_view stored;
    if (filtered)
        put_text(what, document, section, out.text);
    else if (*how != coding::identity) {
        const auto kept = *how == coding::br ? stored_coding::br : stored_coding::gzip;
        stored = whole ? document.coded(kept) : document.coded(section, kept);
    }
    const bool small = stored.empty() && (!filtered || out.text.size() < smallest_coded);
    if (small && weights.accepts_identity())
        how = coding::identity;
    out.fields += content_fields;
    out.set("Content-Language", name(what.lang));
    if (*how != coding::identity)
        out.set("Content-Encoding", http::name(*how));
    etag_.assign("\"").append(document.tag());
    if (!whole)
        etag_.append("-").append(section_names[section]);
    if (filtered) {
        etag_ += '-';
        append_hex(etag_, siphash({}, what.focus)); // tells apart; guards nothing, so it needs no secret key
    }
    etag_.append("-").append(http::name(*how)).append("\"");
    if (is_known(in, out, etag_)) {
        out.text.clear();
        return;
    }
    if (!stored.empty())
        return out.set_body(what.generation, stored);
    if (!filtered && *how == coding::identity) {
        if (whole)
            return out.set_body(what.generation, document.text());
        return out.set_body(what.generation, "{", document.section(section), "}");
    }
    if (!filtered)
        put_text(what, document, section, out.text);
    if (*how != coding::identity)
        out.text = compress(out.text, *how);
}

void api::put_text(const wanted& what, const document_view& document, std::size_t section, std::string& text)
{
    if (section == whole_cv) {
        if (what.focus.empty())
            text = document.text();
        else
            document.focus(what.focus, text);
        return;
    }
    text = '{';
    if (what.focus.empty())
        text += document.section(section);
    else
        document.focus(section, what.focus, text);
    text += '}';
}

} // namespace cv

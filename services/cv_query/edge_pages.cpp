#include "base/clock.hpp"
#include "base/text.hpp"
#include "cv_query/edge_check.hpp"

#include <algorithm>
#include <set>

namespace cv {
namespace {

constexpr std::size_t most_files = 12;

bool is_html(const edge_answer& answer)
{
    return answer.field("Content-Type").starts_with("text/html");
}

/// The files of /static/ that a page names in src="" and href="".
std::set<std::string> static_files_of(std::string_view page)
{
    std::set<std::string> found;
    for (const std::string_view opening : {"src=\"/static/", "href=\"/static/"})
        for (auto at = page.find(opening); at != page.npos && found.size() < most_files;
             at = page.find(opening, at + 1)) {
            const auto begin = page.find('"', at) + 1;
            const auto path = page.substr(begin, page.find_first_of("\"#?", begin) - begin);
            if (path.find_first_of(" \r\n") == path.npos)
                found.emplace(path);
        }
    return found;
}

/// What of the folders around the site a careless configuration gives away.
void check_outside(const edge& target, const edge_answer& manifest, findings& into)
{
    for (const auto* path : {"/.env", "/.git/HEAD", "/static/.env", "/static/.git/HEAD"}) {
        const edge_question question{path};
        const auto answer = ask_edge(target, question, into);
        if (answer.status == 200 && !is_html(answer))
            into.add("cv.E082", label(question, answer));
    }
    for (const auto* path : {"/static../static/manifest.json", "/static..%2fstatic/manifest.json"}) {
        const edge_question question{path};
        const auto answer = ask_edge(target, question, into);
        if (answer.status == 200 && manifest.status == 200 && answer.body == manifest.body)
            into.add("cv.E082", label(question, answer));
    }
    for (const auto* path :
         {"/..%2f..%2f..%2f..%2f..%2fetc/passwd", "/static/..%2f..%2f..%2f..%2f..%2fetc/passwd",
          "/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd"}) {
        const edge_question question{path};
        const auto answer = ask_edge(target, question, into);
        if (answer.status == 200 && answer.body.find("root:") != answer.body.npos)
            into.add("cv.E082", label(question, answer));
    }
}

/// RFC 9116: who to tell of a hole, and until when that is true.
void check_contact(const edge& target, findings& into)
{
    const edge_question question{"/.well-known/security.txt"};
    const auto answer = ask_edge(target, question, into);
    if (answer.status == 429)
        return;
    constexpr std::string_view field = "\nExpires:";
    const auto body = "\n" + answer.body;
    const auto at = body.find(field);
    const auto begin = at == body.npos ? body.size() : at + field.size();
    const auto until = trim(std::string_view(body).substr(begin, body.find('\n', begin) - begin));
    if (answer.status != 200 || answer.body.find("Contact:") == answer.body.npos)
        into.add("cv.W086", label(question, answer));
    else if (until < timestamp(std::chrono::system_clock::now())) // both of the form 2026-01-31T00:00:00Z
        into.add("cv.W086", label(question, answer) +
                                (until.empty() ? ": it has no Expires" : ": expired " + std::string(until)));
}

} // namespace

void check_edge_pages(const edge& target, const settings& config, const edge_answer& page, findings& into)
{
    if (page.status != 429 && (page.status != 200 || !is_html(page)))
        into.add("cv.W084", label({}, page));
    if (page.status == 0)
        return;
    for (const auto& file : static_files_of(page.body)) {
        const edge_question question{file};
        const auto answer = ask_edge(target, question, into);
        const auto cache = answer.field("Cache-Control");
        if (answer.status != 429 && (answer.status != 200 || cache.find("immutable") == cache.npos))
            into.add("cv.W081", label(question, answer));
        if (answer.status != 0)
            check_answer_headers(answer, label(question, answer), into);
    }
    const edge_question asked{"/static/manifest.json"};
    const auto manifest = ask_edge(target, asked, into);
    const auto manifest_text = trim(manifest.body);
    if (manifest.status != 429 &&
        (manifest.status != 200 || !manifest_text.starts_with('{') || !manifest_text.ends_with('}')))
        into.add("cv.W080", label(asked, manifest));
    check_outside(target, manifest, into);
    const edge_question folder{"/static/"};
    const auto listing = ask_edge(target, folder, into);
    if (listing.status == 200 && listing.body.find("Index of") != listing.body.npos)
        into.add("cv.W083", label(folder, listing));
    const edge_question nothing{"/cv-check-no-such-page"};
    const auto unknown = ask_edge(target, nothing, into);
    if (unknown.status != 404 && unknown.status != 429)
        into.add("cv.W085", label(nothing, unknown));
    if (!config.security_contact.empty())
        check_contact(target, into);
}

} // namespace cv

#include "cv_query/answers.hpp"
#include "cv_query/api.hpp"
#include "http/conditional.hpp"

namespace cv {

using boost::json::object;
using field = http::beast_http::field;
using http::status;

void api::pdf(const http::request& in, http::response& out)
{
    wanted what;
    if (!read(in, out, false, what))
        return;
    if (what.generation->languages(what.person) == 0)
        return out.set_error(status::not_found, "CV not found", object{{"person", what.person}});
    auto file = media_.pdf(what.person, what.lang);
    if (!file)
        return out.set_error(status::not_found, "PDF not found",
                             object{{"person", what.person}, {"lang", name(what.lang)}});
    if (!takes_identity(in, out))
        return;
    out.set("Cache-Control", "public, max-age=3600");
    out.set("Content-Language", name(file->lang));
    out.set("Content-Disposition", "attachment; filename=\"" + std::string(what.person) + "_cv.pdf\"");
    serve_file(in, out, std::move(*file));
}

void api::picture(const http::request& in, http::response& out)
{
    wanted what;
    const auto person = in.path[0];
    if (!query_is_good(in, out))
        return;
    if (!is_person(person))
        return out.set_error(status::bad_request, "Invalid person", object{{"person", person}});
    what.generation = catalogue_();
    if (!what.generation || what.generation->state().documents == 0)
        return unavailable(out);
    if (what.generation->languages(person) == 0)
        return out.set_error(status::not_found, "CV not found", object{{"person", person}});
    auto file = media_.picture(person);
    if (!file)
        return out.set_error(status::not_found, "Profile picture not found", object{{"person", person}});
    if (!takes_identity(in, out))
        return;
    out.set("Cache-Control", "public, max-age=86400");
    serve_file(in, out, std::move(*file));
}

void api::serve_file(const http::request& in, http::response& out, media_file file)
{
    out.set("Content-Type", file.content_type);
    out.set("Accept-Ranges", "bytes");
    out.set("Vary", "Accept-Encoding"); // 406 for a client that refuses identity
    if (is_known(in, out, file.etag))
        return;
    http::byte_range range{0, file.size};
    auto answer = http::range_answer::whole;
    const auto condition = in.field(field::if_range);
    if (!in.is_head && (condition.empty() || condition == file.etag))
        answer = http::read_range(in.field(field::range), file.size, range);
    if (answer == http::range_answer::unsatisfiable) {
        out.set_error(status::range_not_satisfiable, http::phrase(status::range_not_satisfiable));
        out.set("Content-Range", "bytes */" + std::to_string(file.size));
        return;
    }
    if (answer == http::range_answer::partial) {
        out.code = status::partial_content;
        out.set("Content-Range", "bytes " + std::to_string(range.begin) + "-" +
                                     std::to_string(range.begin + range.size - 1) + "/" +
                                     std::to_string(file.size));
    }
    out.set_file(std::move(file.file), range.begin, range.size);
}

} // namespace cv

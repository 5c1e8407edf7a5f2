#pragma once
#include "cv_query/catalogue.hpp"
#include "cv_query/media.hpp"
#include "cv_query/report.hpp"
#include "http/coding.hpp"
#include "http/request.hpp"
#include "http/response.hpp"
#include "http/target.hpp"

#include <functional>
#include <memory>
#include <string>

namespace cv {

/// The handlers of the API: request and catalogue in, answer out. No socket, no JSON parser. Not thread-safe:
/// a worker has its own, over its own catalogue.
class api
{
public:
    /// Gives the newest generation; null when there is no catalogue at all.
    using source = std::function<std::shared_ptr<const snapshot>()>;

    api(source catalogue, media files, worker_surroundings around = {});

    void livez(const http::request& in, http::response& out);
    void readyz(const http::request& in, http::response& out);
    void index(const http::request& in, http::response& out);
    void health(const http::request& in, http::response& out);
    void openapi(const http::request& in, http::response& out);
    void list(const http::request& in, http::response& out);
    void cv(const http::request& in, http::response& out);
    void section(const http::request& in, http::response& out);
    void pdf(const http::request& in, http::response& out);
    void picture(const http::request& in, http::response& out);

private:
    /// What a request for a CV asks for, once it has been found good.
    struct wanted
    {
        std::shared_ptr<const snapshot> generation;
        std::string_view person;
        language lang = language::en;
        std::string_view focus;
    };
    /// Reads and checks parameters and person; false when `out` is the error.
    bool read(const http::request& in, http::response& out, bool takes_focus, wanted& to);
    bool find(const http::request& in, http::response& out, wanted& to, document_view& document);
    void serve(const http::request& in, http::response& out, const wanted& what,
               const document_view& document, std::size_t section);
    /// The body in identity coding, focused when a focus is wanted.
    static void put_text(const wanted& what, const document_view& document, std::size_t section,
                         std::string& text);
    void serve_file(const http::request& in, http::response& out, media_file file);
    void serve_prepared(const http::request& in, http::response& out, const prepared_body& body,
                        std::shared_ptr<const void> keeper);

    source catalogue_;
    media media_;
    worker_surroundings around_;
    std::string openapi_br_;
    std::string openapi_gzip_;
    std::string openapi_tag_;
    std::string index_;
    std::string index_tag_;
    std::string etag_; ///< of the answer that is being made; keeps its room
};

} // namespace cv

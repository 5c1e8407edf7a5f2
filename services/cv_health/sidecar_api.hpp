#pragma once
#include "config/load.hpp"
#include "cv_health/observer.hpp"
#include "http/request.hpp"
#include "http/response.hpp"

#include <string>

namespace cv {

/// The bearer token of operators: whoever knows SECRET_KEY can make it (`cv-health token`).
std::string operator_token(const std::string& secret_key);

/// The handlers of the sidecar. Not thread-safe.
class sidecar_api
{
public:
    sidecar_api(const observer& seen, const configuration& config);

    void livez(const http::request& in, http::response& out);
    void readyz(const http::request& in, http::response& out);
    void readyz_part(const http::request& in, http::response& out);
    void startupz(const http::request& in, http::response& out);
    void health(const http::request& in, http::response& out);
    void metrics(const http::request& in, http::response& out);
    void page(const http::request& in, http::response& out);
    void config(const http::request& in, http::response& out);
    void events(const http::request& in, http::response& out);
    void drain(const http::request& in, http::response& out) { act(in, out, "drain"); }
    void undrain(const http::request& in, http::response& out) { act(in, out, "undrain"); }
    void reload(const http::request& in, http::response& out) { act(in, out, "reload"); }
    void loglevel(const http::request& in, http::response& out);

private:
    using conditions = std::vector<observer::condition>;
    static void answer_probe(const http::request& in, http::response& out, std::string_view probe,
                             const conditions& all);
    bool is_operator(const http::request& in) const;
    /// Asks the arbiters; of one instance when the query names it.
    void act(const http::request& in, http::response& out, const std::string& wish);

    const observer& seen_;
    const configuration& config_;
    std::string token_;
    std::string page_policy_;
};

} // namespace cv

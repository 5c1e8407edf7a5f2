#include "cv_query/deploy.hpp"

#include "base/text.hpp"
#include "config/deploy_check.hpp"
#include "config/exit_code.hpp"
#include "cv_query/commands.hpp"
#include "cv_query/edge_check.hpp"

#include <csignal>
#include <iostream>

namespace cv {

int run_deploy_check(const configuration& config, const check_wish& wish)
{
    const auto misused = [](const std::string& why) {
        std::cerr << "cv-query: " << why << "; see cv-query check --help\n";
        return exit_code::usage;
    };
    if (!wish.deploy && wish.url.empty())
        return misused(
            "--json, --silence and --url URL go with a check of a deployment: --deploy, or a URL to ask");
    if (!wish.deploy && !config.problems.empty()) {
        std::cerr << "cv-query: " << config.problems.front() << '\n';
        return exit_code::configuration;
    }
    findings found;
    for (const std::string_view one : wish.silenced) {
        const auto equals = one.find('=');
        const auto reason = equals == one.npos ? std::string_view() : trim(one.substr(equals + 1));
        if (reason.empty())
            return misused("--silence " + printable(one) + ": it is ID=REASON, and the reason is not empty");
        if (!found.silence(trim(one.substr(0, equals)), std::string(reason)))
            return misused("--silence " + printable(one) +
                           ": there is no such id; docs/deploy-check.md has all");
    }
    const auto target = parse_edge_url(wish.url);
    if (!wish.url.empty() && !target)
        return misused("--url " + printable(wish.url) +
                       ": it is what clients use: https://NAME or https://NAME:PORT, without a path");
    if (wish.deploy) {
        check_settings(config, found);
        check_deployed_files(config, found);
    }
    if (wish.deploy || !wish.files.empty())
        check_cv_files(config.values, wish.files, [&found](cv_verdict verdict, const std::string& line) {
            if (verdict == cv_verdict::changed)
                found.add("cv.E025", line);
            else if (verdict == cv_verdict::faulty)
                found.add("cv.E024", line);
        });
    if (target) {
        if (!wish.json)
            std::cerr << "asking " << wish.url << " …\n";
        std::signal(SIGPIPE, SIG_IGN); // a server that hangs up is an answer
        check_edge(*target, config.values, found);
    }
    std::cout << (wish.json ? found.json(wish.url) : found.text());
    return found.failed() ? exit_code::findings : exit_code::ok;
}

} // namespace cv

#pragma once
#include "config/load.hpp"

#include <string>
#include <vector>

namespace cv {

/// What `cv-query check` was asked for.
struct check_wish
{
    std::vector<std::string> files; ///< CV files; none: those of CV_DATA_DIR
    bool deploy = false;            ///< settings and files of this machine too
    std::string url;                ///< of the edge to ask; empty: none
    bool json = false;
    std::vector<std::string> silenced; ///< ID=REASON
};

/// `cv-query check` with --deploy or --url; the exit code.
int run_deploy_check(const configuration& config, const check_wish& wish);

} // namespace cv

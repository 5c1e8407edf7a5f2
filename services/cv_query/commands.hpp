#pragma once
#include "config/settings.hpp"

#include <functional>
#include <string>

namespace cv {

/// The commands that do their work and exit; each returns the exit code and prints to the standard streams.
int run_load(const settings& config);
int run_check(const settings& config, const std::vector<std::string>& files);
int run_healthcheck(const settings& config);

/// What check_cv_files says of a line.
enum class cv_verdict
{
    good,
    faulty,
    changed ///< a locked file
};
/// Holds CV files (none: those of CV_DATA_DIR, and its locked files) against the format; `tell` gets a line
/// for each.
void check_cv_files(const settings& config, const std::vector<std::string>& files,
                    const std::function<void(cv_verdict, const std::string& line)>& tell);

} // namespace cv

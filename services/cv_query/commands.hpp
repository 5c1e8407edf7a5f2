#pragma once
#include "cv_query/command_line.hpp"
#include "cv_query/loader.hpp"

#include <string>

namespace cv {

/// The commands that do their work and exit; each returns the exit code and prints to the standard streams.
int run_load(const settings& config);
int run_check(const settings& config, const std::vector<std::string>& files);
int run_healthcheck(const settings& config);
int run_config(const configuration& config);

/// One line for people: `generation 3: 4 CVs of 2 persons (en 2, de 1, fa 1); 4 files: compiled 1, …`
std::string summary(const load_report& report);

} // namespace cv

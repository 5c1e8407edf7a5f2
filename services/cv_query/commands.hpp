#pragma once
#include "config/settings.hpp"

#include <string>

namespace cv {

/// The commands that do their work and exit; each returns the exit code and prints to the standard streams.
int run_load(const settings& config);
int run_check(const settings& config, const std::vector<std::string>& files);
int run_healthcheck(const settings& config);

} // namespace cv

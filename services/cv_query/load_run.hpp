#pragma once
#include "config/settings.hpp"
#include "cv_query/loader.hpp"
#include "health/scoreboard.hpp"

#include <string>

namespace cv {

/// The whole life of a loader process: loads, tells the log and the scoreboard what came of it. A load that
/// fails leaves the catalogue as it was. `tell_all`: all that it finds, not only when something has changed.
/// `level`: of the log, as an operator may have set it. The exit code.
int run_load_process(const settings& config, log::level level, health::load_board& board, bool tell_all);

/// One line for people: `generation 3: 4 CVs of 2 persons (en 2, de 1, fa 1); 4 files: compiled 1, …`
std::string summary(const load_report& report);

} // namespace cv

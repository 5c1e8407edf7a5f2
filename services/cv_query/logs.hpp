#pragma once
#include "config/settings.hpp"

#include <stdexcept>

namespace cv {

/// A setting that is well-formed and yet cannot be used here.
class bad_setting : public std::runtime_error
{
public:
    using std::runtime_error::runtime_error;
};

/// Throws bad_setting when one of the logs cannot be opened. Asked before the settings are taken; later on a
/// process goes on without a log that cannot be opened just then.
void check_logs(const settings& config);

/// Starts this process's log of events.
void start_log(const settings& config);

} // namespace cv

#pragma once
#include "base/access_log.hpp"
#include "config/settings.hpp"

#include <memory>
#include <stdexcept>

namespace cv {

/// A setting that is well-formed and yet cannot be used here.
class bad_setting : public std::runtime_error
{
public:
    using std::runtime_error::runtime_error;
};

/// Starts this process's log of events. Throws bad_setting when it cannot be opened.
void open_error_log(const settings& config);

/// The same, and the access log besides.
std::unique_ptr<access_log> open_logs(const settings& config);

} // namespace cv

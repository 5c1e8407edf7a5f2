#include "cv_query/logs.hpp"

namespace cv {
namespace {

template <class Open>
auto named(const char* setting, Open open)
{
    try {
        return open();
    } catch (const std::runtime_error& error) {
        throw bad_setting(std::string(setting) + ": " + error.what() +
                          "; allowed: a path that can be written, - or off");
    }
}

} // namespace

void open_error_log(const settings& config)
{
    named("ERROR_LOG", [&] { log::start(config.error_log, config.log_level, config.log_format); });
}

std::unique_ptr<access_log> open_logs(const settings& config)
{
    open_error_log(config);
    return named("ACCESS_LOG",
                 [&] { return std::make_unique<access_log>(config.access_log, config.log_format); });
}

} // namespace cv

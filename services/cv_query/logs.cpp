#include "cv_query/logs.hpp"

#include "base/log.hpp"
#include "base/log_file.hpp"

#include <unistd.h>

namespace cv {

void check_logs(const settings& config)
{
    const auto check = [](const char* setting, const std::string& target, int stream) {
        try {
            const log_file file(target, stream);
        } catch (const std::runtime_error& error) {
            throw bad_setting(std::string(setting) + ": " + error.what() +
                              "; allowed: a path that can be written, - or off");
        }
    };
    check("ERROR_LOG", config.error_log, STDERR_FILENO);
    check("ACCESS_LOG", config.access_log, STDOUT_FILENO);
}

void start_log(const settings& config)
{
    constexpr bool strict = false;
    log::start(config.error_log, config.log_level, config.log_format, strict);
}

} // namespace cv

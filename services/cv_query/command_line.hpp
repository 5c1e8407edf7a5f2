#pragma once
#include "config/load.hpp"

#include <string>
#include <vector>

namespace cv {

/// Exit codes as in sysexits.h.
namespace exit_code {
inline constexpr int ok = 0;
inline constexpr int findings = 1; ///< of check; unhealthy
inline constexpr int usage = 64;
inline constexpr int bad_data = 65;
inline constexpr int unavailable = 69;
inline constexpr int configuration = 78;
} // namespace exit_code

enum class command
{
    serve,
    load,
    check,
    config,
    healthcheck
};

/// What a command line asks for.
struct invocation
{
    command what = command::serve;
    std::vector<std::string> files; ///< of `check`
    std::string config_file;
    name_values flags; ///< by setting name
    int exit = -1;     ///< not below 0: help, version or an error has been printed, end with this code
};

/// Reads the command line; prints help, version and usage errors itself.
invocation read_command_line(int argc, const char* const* argv);

} // namespace cv

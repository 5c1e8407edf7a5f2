#pragma once
#include "config/load.hpp"

#include <CLI/CLI.hpp>
#include <map>
#include <string>

namespace cv {

/// What both programs' command lines have in common: a flag for each setting, --config, --version, --help,
/// and how errors are told. A program adds its commands to `app`.
class command_line
{
public:
    /// `exit_codes` are those of the program, for the end of its help.
    command_line(const std::string& program, const std::string& description, const std::string& exit_codes);

    CLI::App& app() { return app_; }

    /// Reads the arguments. Prints help, version and usage errors itself and then gives the exit code to end
    /// with; below 0 to go on.
    int parse(int argc, const char* const* argv);

    /// The settings as flags, environment and files give them. After parse().
    configuration load() const { return load_configuration(flags_, process_environment(), config_file_); }

private:
    std::string program_;
    CLI::App app_;
    std::string config_file_;
    std::map<std::string_view, std::string> values_;
    std::map<std::string_view, const CLI::Option*> options_;
    name_values flags_; ///< by setting name
};

/// Prints settings with their sources, secrets hidden, and all that is wrong with them; the exit code.
int print_configuration(const std::string& program, const configuration& config);

/// Prints settings as NAME='value' lines for a shell to read, without the secret ones, and to standard error
/// what is wrong with them; the exit code.
int print_environment(const std::string& program, const configuration& config);

} // namespace cv

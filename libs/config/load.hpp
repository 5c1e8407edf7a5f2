#pragma once
#include "config/settings.hpp"

#include <map>
#include <string>
#include <vector>

namespace cv {

/// Names with their values, as from flags, the environment or a file.
using name_values = std::map<std::string, std::string, std::less<>>;

/// A setting as it came out.
struct effective_setting
{
    const setting_row* row = nullptr;
    std::string value;
    std::string source; ///< "flag", "environment", "SECRET_KEY_FILE", the settings file's path, or "default"
    std::string file = {}; ///< the path of the file that it was read from, when it was

    bool is_default() const { return source == "default"; }
    /// The value for people: a secret's is hidden.
    std::string shown() const;
};

/// What loading the settings found.
struct configuration
{
    settings values;
    std::vector<effective_setting> all; ///< in the table's order
    std::vector<std::string> problems;  ///< one line each, naming setting, value and what is allowed
    std::vector<std::string> warnings;  ///< unknown names
    std::vector<std::string> missing;   ///< one line for each required setting without a value
};

/// The environment of this process.
name_values process_environment();

/// Puts the settings together from flags (by setting name), environment, NAME_FILE, the settings file
/// (`config_file`, none when empty) and defaults, strongest first. Never throws for what a user wrote: that
/// goes into `problems`. Reads files, so not for the request path.
configuration load_configuration(const name_values& flags, const name_values& environment,
                                 const std::string& config_file);

} // namespace cv

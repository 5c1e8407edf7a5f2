#include "config/command_line.hpp"

#include "config/exit_code.hpp"

#include <iostream>

namespace cv {
namespace {

std::string describe(const setting_row& row)
{
    std::string text = "[" + std::string(row.name) + "] " + std::string(row.meaning);
    text += " Allowed: " + std::string(row.allowed) + ".";
    if (!row.production.empty())
        text += " Default: " + std::string(row.production);
    if (row.production != row.development && !row.secret)
        text += (row.production.empty() ? " Default in development: " : "; in development: ") +
                std::string(row.development);
    if (row.required)
        text += row.production.empty() ? " Required in production." : "";
    return text;
}

} // namespace

command_line::command_line(const std::string& program, const std::string& description,
                           const std::string& exit_codes)
    : program_(program), app_(description, program)
{
    app_.set_version_flag("--version", program + " " CV_VERSION);
    app_.fallthrough();
    app_.get_formatter()->column_width(44);
    app_.add_option("--config", config_file_, "A file of NAME=VALUE lines with settings")
        ->option_text("FILE");
    app_.footer("Settings come from flags, the environment (the names in brackets), NAME_FILE (a file that "
                "holds the\n"
                "value, for secrets), the --config file and defaults, strongest first.\n"
                "Exit codes: " +
                exit_codes);
    for (const auto& row : setting_table())
        options_[row.name] = app_.add_option(flag_of(row.name), values_[row.name], describe(row))
                                 ->group("Settings")
                                 ->option_text("VALUE");
}

int command_line::parse(int argc, const char* const* argv)
{
    try {
        app_.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        const bool good = error.get_exit_code() == 0;
        if (good)
            app_.exit(error);
        else
            std::cerr << program_ << ": " << error.what() << "; see " << program_ << " --help\n";
        return good ? exit_code::ok : exit_code::usage;
    }
    for (const auto& [name, option] : options_)
        if (option->count() > 0)
            flags_[std::string(name)] = values_[name];
    return -1;
}

int print_configuration(const std::string& program, const configuration& config)
{
    for (const auto& setting : config.all) {
        std::string line = std::string(setting.row->name) + "=" + setting.shown();
        std::cout << line << std::string(line.size() < 56 ? 56 - line.size() : 1, ' ') << "# "
                  << setting.source << '\n';
    }
    for (const auto& line : config.warnings)
        std::cerr << program << ": warning: " << line << '\n';
    for (const auto& line : config.problems)
        std::cerr << program << ": " << line << '\n';
    if (config.problems.empty()) // a wrong CV_ENV would make others look missing
        for (const auto& line : config.missing)
            std::cerr << program << ": " << line << '\n';
    return config.problems.empty() && config.missing.empty() ? exit_code::ok : exit_code::configuration;
}

int print_environment(const std::string& program, const configuration& config)
{
    auto code = exit_code::ok;
    const auto complain = [&](const std::string& line) {
        std::cerr << program << ": " << line << '\n';
        code = exit_code::configuration;
    };
    for (const auto& line : config.problems)
        complain(line);
    for (const auto& setting : config.all) {
        const auto& row = *setting.row;
        if (row.secret)
            continue; // nobody who reads this needs them
        if (row.required && setting.value.empty())
            complain(std::string(row.name) +
                     " is required and not set; allowed: " + std::string(row.allowed));
        std::string quoted;
        for (const char c : setting.value)
            quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
        std::cout << row.name << "='" << quoted << "'\n";
    }
    return code;
}

} // namespace cv

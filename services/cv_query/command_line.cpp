#include "cv_query/command_line.hpp"

#include <CLI/CLI.hpp>
#include <iostream>
#include <map>

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

invocation read_command_line(int argc, const char* const* argv)
{
    invocation result;
    CLI::App app("Puts people's CVs on the internet as a fast, safe, read-only JSON API.\n"
                 "Without a command it serves.",
                 "cv-query");
    app.set_version_flag("--version", "cv-query " CV_VERSION);
    app.fallthrough();
    app.get_formatter()->column_width(44);
    app.add_option("--config", result.config_file, "A file of NAME=VALUE lines with settings")
        ->option_text("FILE");
    app.footer(
        "Settings come from flags, the environment (the names in brackets), NAME_FILE (a file that holds "
        "the\n"
        "value, for secrets), the --config file and defaults, strongest first.\n"
        "Exit codes: 0 good, 1 findings of check or unhealthy, 64 usage, 65 bad data, 69 unavailable, 78 "
        "configuration.");
    std::map<std::string_view, std::string> values;
    std::map<std::string_view, const CLI::Option*> options;
    for (const auto& row : setting_table())
        options[row.name] = app.add_option(flag_of(row.name), values[row.name], describe(row))
                                ->group("Settings")
                                ->option_text("VALUE");

    const auto* load = app.add_subcommand("load", "Compile the CV files into the catalogue, then exit");
    auto* check =
        app.add_subcommand("check", "Say what is wrong with CV files, then exit; without files: with all "
                                    "those of CV_DATA_DIR");
    check->add_option("FILE", result.files, "CV files to check");
    const auto* config =
        app.add_subcommand("config", "Print the settings with their sources, secrets hidden, then exit");
    const auto* healthcheck = app.add_subcommand(
        "healthcheck",
        "Ask the running service on each address of BIND whether it is ready, then exit with 0 or 1");
    app.require_subcommand(0, 1);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        const bool good = error.get_exit_code() == 0;
        if (good)
            app.exit(error);
        else
            std::cerr << "cv-query: " << error.what() << "; see cv-query --help\n";
        result.exit = good ? exit_code::ok : exit_code::usage;
        return result;
    }
    for (const auto& [name, option] : options)
        if (option->count() > 0)
            result.flags[std::string(name)] = values[name];
    result.what = load->parsed()          ? command::load
                  : check->parsed()       ? command::check
                  : config->parsed()      ? command::config
                  : healthcheck->parsed() ? command::healthcheck
                                          : command::serve;
    return result;
}

} // namespace cv

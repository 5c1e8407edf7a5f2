#include "cv_query/app.hpp"

#include "config/command_line.hpp"
#include "config/exit_code.hpp"
#include "cv_query/commands.hpp"
#include "cv_query/deploy.hpp"
#include "cv_query/logs.hpp"
#include "cv_query/query_service.hpp"
#include "cv_query/routes.hpp"
#include "process/child.hpp"
#include "process/systemd.hpp"
#include "process/title.hpp"

#include <iostream>
#include <unistd.h>

namespace cv {
namespace {

void describe(health::scoreboard& board)
{
    const auto patterns = route_patterns();
    board.arbiter.store(static_cast<std::uint32_t>(::getpid()), std::memory_order_relaxed);
    board.started.set(static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
            .count()));
    board.program_version.set(CV_VERSION);
    board.routes.set(patterns.size());
    for (std::size_t i = 0; i < patterns.size(); ++i)
        board.route_patterns[i].set(patterns[i]);
}

/// The wiring of a serving process.
int serve(const command_line& arguments, configuration found)
{
    arbiter::block_signals();
    try {
        auto handed_over = inherited_sockets(); // instead of BIND
        check_logs(found.values);               // what is wrong with them is told before anything is made
        const instance own(found.values.run_dir);
        const auto board = health::scoreboard_file::create(own.files().scoreboard());
        describe(*board);
        query_service service(arguments, std::move(found), own.name(), board, std::move(handed_over));
        const int code = arbiter(board, service, own.files().control()).run();
        if (code == exit_code::ok)
            log::write(log::level::info, "app", "stopped");
        log::stop();
        return code;
    } catch (const bad_setting& error) {
        std::cerr << "cv-query: " << error.what() << '\n';
        return exit_code::configuration;
    } catch (const std::exception& error) {
        std::cerr << "cv-query: " << error.what() << '\n';
        return exit_code::unavailable;
    }
}

} // namespace

int run(int argc, const char* const* argv)
{
    keep_standard_streams();
    command_line arguments("cv-query",
                           "Puts people's CVs on the internet as a fast, safe, read-only JSON API.\n"
                           "Without a command it serves.",
                           "0 good, 1 findings of check or unhealthy, 64 usage, 65 bad data, 69 unavailable, "
                           "78 configuration.");
    auto& app = arguments.app();
    const auto* load = app.add_subcommand("load", "Compile the CV files into the catalogue, then exit");
    auto* check =
        app.add_subcommand("check", "Say what is wrong with CV files, then exit; without files: with all "
                                    "those of CV_DATA_DIR. --deploy and --url, each alone "
                                    "or together, say what is wrong with a deployment");
    check_wish wish;
    check->add_option("FILE", wish.files, "CV files to check");
    check->add_flag("--deploy", wish.deploy,
                    "Check the settings, what they name, and the CV files for production");
    const auto* url = check
                          ->add_option("--url", wish.url,
                                       "Ask the running edge what it really answers: https://NAME[:PORT]")
                          ->option_text("URL");
    check->add_flag("--json", wish.json, "With --deploy or --url: print JSON");
    check
        ->add_option("--silence", wish.silenced,
                     "With --deploy or --url: a finding that is known and no fault; may be repeated")
        ->option_text("ID=REASON")
        ->allow_extra_args(false);
    auto* config =
        app.add_subcommand("config", "Print the settings with their sources, secrets hidden, then exit");
    bool for_shell = false;
    config->add_flag("--env", for_shell, "As NAME='value' lines for a shell, without the secret ones");
    const auto* healthcheck = app.add_subcommand(
        "healthcheck",
        "Ask the running service on each address of BIND whether it is ready, then exit with 0 or 1");
    app.require_subcommand(0, 1);
    if (const int code = arguments.parse(argc, argv); code >= 0)
        return code;

    auto found = arguments.load();
    if (config->parsed())
        return for_shell ? print_environment("cv-query", found) : print_configuration("cv-query", found);
    const bool serves = app.get_subcommands().empty();
    if (check->parsed() && (wish.deploy || url->count() || wish.json || !wish.silenced.empty()))
        return run_deploy_check(found, wish);
    // One line; `cv-query config` tells all that is wrong at once.
    const auto& problems = found.problems.empty() && serves ? found.missing : found.problems;
    if (!problems.empty()) {
        std::cerr << "cv-query: " << problems.front() << '\n';
        return exit_code::configuration;
    }
    if (serves) {
        prepare_process_title(argc, argv);
        return serve(arguments, std::move(found));
    }
    for (const auto& line : found.warnings)
        std::cerr << "cv-query: warning: " << line << '\n';
    if (load->parsed())
        return run_load(found.values);
    if (healthcheck->parsed())
        return run_healthcheck(found.values);
    return run_check(found.values, wish.files);
}

} // namespace cv

#include "cv_health/app.hpp"

#include "config/command_line.hpp"
#include "config/exit_code.hpp"
#include "cv_health/routes.hpp"
#include "http/client.hpp"
#include "http/server.hpp"
#include "process/child.hpp"
#include "process/listener.hpp"
#include "process/systemd.hpp"
#include "process/title.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <iostream>

namespace cv {
namespace {

namespace asio = boost::asio;

/// Few are to come, and none is to keep the sidecar from opening what it looks at.
http::server_options server_options()
{
    constexpr std::size_t own = 32; // descriptors of its own
    http::server_options options;
    options.keepalive = std::chrono::seconds(15);
    const auto descriptors = raise_descriptor_limit();
    options.most_connections = descriptors > 2 * own ? descriptors - own : own;
    return options;
}

http::dispatcher_options dispatch_options(const settings& config)
{
    http::dispatcher_options options;
    options.hosts = config.allowed_hosts;
    options.hosts.emplace_back("localhost");
    options.any_address = true; // a name can be made to lead here by anybody, an address cannot
    return options;
}

/// Listens where the service manager or SIDECAR_BIND says.
std::vector<listening_socket> listen(const settings& config)
{
    auto sockets = inherited_sockets();
    if (sockets.empty())
        for (const auto& where : config.sidecar_bind)
            sockets.push_back(listen_on(where));
    return sockets;
}

/// The wiring of the sidecar.
int serve(const configuration& found)
{
    const auto& config = found.values;
    std::signal(SIGPIPE, SIG_IGN);
    try {
        log::start(config.error_log, config.log_level, config.log_format);
    } catch (const std::runtime_error& error) {
        std::cerr << "cv-health: ERROR_LOG: " << error.what()
                  << "; allowed: a path that can be written, - or off\n";
        return exit_code::configuration;
    }
    try {
        for (const auto& line : found.warnings)
            log::write(log::level::warning, "config", line);
        set_process_title(config.proc_name + ": health");
        access_log access("off", config.log_format);
        observer seen(config);
        sidecar_api handlers(seen, found);
        const http::dispatcher dispatch(make_routes(handlers), dispatch_options(config));
        const auto counters = std::make_unique<worker_counters>();
        asio::io_context context(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO);
        http::server server(context, dispatch, access, *counters, server_options());
        asio::signal_set signals(context, SIGTERM, SIGINT, SIGHUP);
        signals.add(SIGUSR1);
        std::function<void()> await_signal = [&] {
            signals.async_wait([&](boost::system::error_code error, int signal) {
                if (error)
                    return;
                if (signal == SIGUSR1) {
                    log::reopen();
                    return await_signal();
                }
                if (signal == SIGHUP) {
                    log::write(log::level::warning, "app",
                               "settings are read at the start alone: start again");
                    return await_signal();
                }
                notify_manager("STOPPING=1");
                context.stop(); // what it tells is asked for again elsewhere; nothing is lost
            });
        };
        await_signal();
        asio::co_spawn(context, seen.run(), [](const std::exception_ptr& error) {
            if (error)
                std::rethrow_exception(error);
        });
        const auto sockets = listen(config);
        for (const auto& socket : sockets) {
            server.listen(socket.socket.get());
            std::cout << "cv-health ready on " << url_of(socket.where) << std::endl;
        }
        notify_manager("READY=1\nSTATUS=observing " + config.run_dir);
        context.run();
        for (const auto& socket : sockets)
            socket.remove_file();
        log::write(log::level::info, "health", "stopped");
        return exit_code::ok;
    } catch (const std::exception& error) {
        std::cerr << "cv-health: " << error.what() << '\n';
        return exit_code::unavailable;
    }
}

/// Asks the running sidecar whether it answers, as a container's health check does.
int run_healthcheck(const settings& config)
{
    constexpr auto patience = std::chrono::seconds(5);
    bool healthy = true;
    for (const auto& where : config.sidecar_bind) {
        if (!where.is_unix() && where.port == 0) {
            std::cerr
                << "cv-health: SIDECAR_BIND has port 0; give the one of the ready line, as --sidecar-bind "
                   "127.0.0.1:PORT\n";
            return exit_code::configuration;
        }
        const auto answer = http::probe(where, "/livez", patience);
        const bool alive = answer.status == 200;
        healthy = healthy && alive;
        (alive ? std::cout : std::cerr) << to_string(where) << ": "
                                        << (alive                ? "alive"
                                            : answer.status == 0 ? answer.fault
                                                                 : "answers " + std::to_string(answer.status))
                                        << '\n';
    }
    return healthy ? exit_code::ok : exit_code::findings;
}

} // namespace

int run_sidecar(int argc, const char* const* argv)
{
    keep_standard_streams();
    command_line arguments("cv-health",
                           "Tells people, Kubernetes and Prometheus how cv-query is.\n"
                           "Without a command it serves on SIDECAR_BIND.",
                           "0 good, 1 not alive, 64 usage, 69 unavailable, 78 configuration.");
    auto& app = arguments.app();
    const auto* token = app.add_subcommand(
        "token", "Print the bearer token that /drain, /undrain, /reload and /loglevel ask for, then exit");
    const auto* config =
        app.add_subcommand("config", "Print the settings with their sources, secrets hidden, then exit");
    const auto* healthcheck = app.add_subcommand(
        "healthcheck", "Ask the running sidecar at SIDECAR_BIND whether it answers: exit 0 or 1");
    app.require_subcommand(0, 1);
    if (const int code = arguments.parse(argc, argv); code >= 0)
        return code;

    const auto found = arguments.load();
    if (config->parsed())
        return print_configuration("cv-health", found);
    const auto& problems = found.problems.empty() ? found.missing : found.problems;
    if (!problems.empty()) {
        std::cerr << "cv-health: " << problems.front() << '\n';
        return exit_code::configuration;
    }
    if (token->parsed()) {
        std::cout << operator_token(found.values.secret_key) << '\n';
        return exit_code::ok;
    }
    if (healthcheck->parsed())
        return run_healthcheck(found.values);
    prepare_process_title(argc, argv);
    return serve(found);
}

} // namespace cv

#include "cv_query/app.hpp"

#include "base/digest.hpp"
#include "cv_query/api.hpp"
#include "cv_query/background_loader.hpp"
#include "cv_query/command_line.hpp"
#include "cv_query/commands.hpp"
#include "cv_query/routes.hpp"
#include "http/server.hpp"
#include "process/listener.hpp"
#include "process/systemd.hpp"

#include <boost/asio/io_context.hpp>
#include <csignal>
#include <cstring>
#include <iostream>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace cv {
namespace {

namespace asio = boost::asio;

/// A setting that is well-formed and yet cannot be used here.
class bad_setting : public std::runtime_error
{
public:
    using std::runtime_error::runtime_error;
};

/// As many descriptors as the system lets us have: each connection takes one.
void raise_descriptor_limit()
{
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

siphash_key client_key(const std::string& secret)
{
    const auto digest = sha256({"cv-backend client pseudonym\n", secret});
    siphash_key key{};
    std::memcpy(key.data(), digest.data(), sizeof key);
    return key;
}

/// Opens the logs. Throws bad_setting for one that cannot be opened.
std::unique_ptr<access_log> open_logs(const settings& config)
{
    const auto name = [](const char* setting, auto open) {
        try {
            return open();
        } catch (const std::runtime_error& error) {
            throw bad_setting(std::string(setting) + ": " + error.what() +
                              "; allowed: a path that can be written, - or off");
        }
    };
    name("ERROR_LOG", [&] {
        log::start(config.error_log, config.log_level, config.log_format);
        return 0;
    });
    return name("ACCESS_LOG",
                [&] { return std::make_unique<access_log>(config.access_log, config.log_format); });
}

/// The wiring of a serving process.
int serve(const configuration& found)
{
    const auto& config = found.values;
    raise_descriptor_limit();
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGCHLD, SIG_DFL); // ignored by some parents, and then no child's end is told
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD})
        sigaddset(&signals, signal);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    try {
        auto handed_over = inherited_sockets(); // instead of BIND
        const auto access = open_logs(config);
        for (const auto& line : found.warnings)
            log::write(log::level::warning, "config", line);
        for (const auto& line : found.unused())
            log::write(log::level::warning, "config", line);
        background_loader loader(config);
        if (!loader.run_first(signals))
            return exit_code::ok;

        catalogue cvs(config.state_dir);
        api handlers([&cvs] { return cvs.current(); }, media(config.data_dir));
        const http::dispatcher dispatch(make_routes(handlers),
                                        {config.allowed_hosts, config.cors_allowed_origins,
                                         config.secure_ssl_redirect, config.secure_proxy_ssl_header.name,
                                         config.secure_proxy_ssl_header.value});
        const auto counters = std::make_unique<worker_counters>();
        asio::io_context context(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE); // one thread, no locks
        http::server_options options;
        options.keepalive = config.keepalive;
        options.trusted = config.forwarded_allow_ips;
        options.client_key = client_key(config.secret_key);
        std::vector<listening_socket> sockets;
        bool draining = false;
        asio::posix::stream_descriptor arrived(context, ::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
        http::server server(context, dispatch, *access, *counters, options);
        server.set_tick([&] {
            const bool there = cvs.follow();
            loader.tick(there && cvs.current()->state().documents > 0);
            if (draining && server.connections() == 0)
                arrived.close(); // nothing is left to wait for
        });

        std::function<void()> await_signal = [&] {
            arrived.async_wait(
                asio::posix::stream_descriptor::wait_read, [&](boost::system::error_code error) {
                    signalfd_siginfo info{};
                    if (error)
                        return;
                    if (::read(arrived.native_handle(), &info, sizeof info) != sizeof info)
                        return await_signal();
                    if (info.ssi_signo == SIGHUP && !draining) {
                        log::write(log::level::info, "app", "loading again");
                        loader.start();
                    } else if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) {
                        // The second one is from somebody who will not wait.
                        log::write(log::level::info, "app", draining ? "ending at once" : "draining");
                        notify_manager("STOPPING=1\nSTATUS=draining");
                        server.drain(draining ? std::chrono::seconds(0) : config.graceful_timeout);
                        for (const auto& socket : sockets)
                            socket.remove_file();
                        sockets.clear();
                        draining = true;
                    }
                    await_signal();
                });
        };
        await_signal();

        sockets = std::move(handed_over);
        if (sockets.empty())
            for (const auto& where : config.bind)
                sockets.push_back(listen_on(where));
        for (const auto& socket : sockets) {
            server.listen(socket.socket.get());
            std::cout << "cv-query ready on " << url_of(socket.where) << std::endl;
        }
        log::write(log::level::info, "app", "serving");
        notify_manager("READY=1\nSTATUS=serving");
        context.run();
        access->flush();
        log::write(log::level::info, "app", "stopped");
        log::stop();
        return exit_code::ok;
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
    const auto asked = read_command_line(argc, argv);
    if (asked.exit >= 0)
        return asked.exit;
    const auto found = load_configuration(asked.flags, process_environment(), asked.config_file);
    if (asked.what == command::config)
        return run_config(found);
    // One line; `cv-query config` tells all that is wrong at once.
    const auto& problems =
        found.problems.empty() && asked.what == command::serve ? found.missing : found.problems;
    if (!problems.empty()) {
        std::cerr << "cv-query: " << problems.front() << '\n';
        return exit_code::configuration;
    }
    if (asked.what != command::serve)
        for (const auto& line : found.warnings)
            std::cerr << "cv-query: warning: " << line << '\n';
    switch (asked.what) {
    case command::load:
        return run_load(found.values);
    case command::healthcheck:
        return run_healthcheck(found.values);
    case command::check:
        return run_check(found.values, asked.files);
    default:
        return serve(found);
    }
}

} // namespace cv

#include "cv_query/app.hpp"

#include "base/digest.hpp"
#include "cv_query/api.hpp"
#include "cv_query/command_line.hpp"
#include "cv_query/commands.hpp"
#include "cv_query/routes.hpp"
#include "http/server.hpp"
#include "process/listener.hpp"

#include <boost/asio/io_context.hpp>
#include <csignal>
#include <cstring>
#include <iostream>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

namespace cv {
namespace {

namespace asio = boost::asio;

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

/// Loads, and tells the log what came of it. A load that fails leaves the catalogue as it was.
void load_and_log(const settings& config)
{
    try {
        const auto report = load_catalogue(config.data_dir, config.state_dir);
        for (const auto& row : report.refused)
            log::write(log::level::error, "loader", "refused: " + row.reason);
        for (const auto& row : report.mismatched)
            log::write(log::level::error, "loader", "LOCKED FILE CHANGED: " + row.reason);
        for (const auto& row : report.shadowed)
            log::write(log::level::warning, "loader", row.reason);
        log::write(log::level::info, "loader", summary(report));
    } catch (const catalogue_error& error) {
        log::write(log::level::error, "loader", error.what());
    }
}

/// Loads in a child process: LMDB does not let one process open an environment twice.
class background_loader
{
public:
    explicit background_loader(const settings& config) : config_(config) {}

    /// Starts a load unless one is under way.
    void start()
    {
        if (child_ > 0)
            return;
        child_ = ::fork();
        if (child_ == 0) {
            load_and_log(config_);
            ::_exit(exit_code::ok);
        }
    }

    /// Notices the end of a load, and starts one when nothing can be served and the last is some time ago.
    void tick(bool has_cvs)
    {
        if (child_ > 0 && ::waitpid(child_, nullptr, WNOHANG) == child_)
            child_ = 0;
        const auto now = monotonic::now();
        if (has_cvs || now < next_)
            return;
        next_ = now + std::chrono::seconds(2);
        start();
    }

private:
    const settings& config_;
    pid_t child_ = 0;
    monotonic::time_point next_ = monotonic::now() + std::chrono::seconds(2);
};

/// The wiring of a serving process.
int serve(const configuration& found)
{
    const auto& config = found.values;
    raise_descriptor_limit();
    std::signal(SIGPIPE, SIG_IGN);
    try {
        log::start(config.error_log, config.log_level, config.log_format);
        for (const auto& line : found.warnings)
            log::write(log::level::warning, "config", line);
        for (const auto& line : found.unused())
            log::write(log::level::warning, "config", line);
        load_and_log(config);

        catalogue cvs(config.state_dir);
        api handlers([&cvs] { return cvs.current(); }, media(config.data_dir));
        const http::dispatcher dispatch(make_routes(handlers),
                                        {config.allowed_hosts, config.cors_allowed_origins,
                                         config.secure_ssl_redirect, config.secure_proxy_ssl_header.name,
                                         config.secure_proxy_ssl_header.value});
        access_log access(config.access_log, config.log_format);
        const auto counters = std::make_unique<worker_counters>();
        asio::io_context context(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE); // one thread, no locks
        http::server_options options;
        options.keepalive = config.keepalive;
        options.trusted = config.forwarded_allow_ips;
        options.client_key = client_key(config.secret_key);
        http::server server(context, dispatch, access, *counters, options);
        background_loader loader(config);
        server.set_tick([&] { loader.tick(cvs.current()->state().documents > 0); });

        sigset_t signals;
        sigemptyset(&signals);
        for (const int signal : {SIGTERM, SIGINT, SIGHUP})
            sigaddset(&signals, signal);
        ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
        asio::posix::stream_descriptor arrived(context, ::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
        std::function<void()> await_signal = [&] {
            arrived.async_wait(
                asio::posix::stream_descriptor::wait_read, [&](boost::system::error_code error) {
                    signalfd_siginfo info{};
                    if (error || ::read(arrived.native_handle(), &info, sizeof info) != sizeof info)
                        return;
                    if (info.ssi_signo == SIGHUP) {
                        log::write(log::level::info, "app", "loading again");
                        loader.start();
                        return await_signal();
                    }
                    log::write(log::level::info, "app", "draining");
                    server.drain(config.graceful_timeout);
                });
        };
        await_signal();

        std::vector<listening_socket> sockets;
        for (const auto& where : config.bind)
            sockets.push_back(listen_on(where));
        for (const auto& socket : sockets) {
            server.listen(socket.socket.get());
            std::cout << "cv-query ready on " << url_of(socket.where) << std::endl;
        }
        log::write(log::level::info, "app", "serving");
        sockets.clear();
        context.run();
        for (const auto& where : config.bind)
            if (where.is_unix())
                ::unlink(where.path.c_str());
        access.flush();
        log::write(log::level::info, "app", "stopped");
        log::stop();
        return exit_code::ok;
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
    case command::check:
        return run_check(found.values, asked.files);
    default:
        return serve(found);
    }
}

} // namespace cv

#include "cv_query/worker.hpp"

#include "base/access_log.hpp"
#include "base/digest.hpp"
#include "base/log.hpp"
#include "config/exit_code.hpp"
#include "cv_query/api.hpp"
#include "cv_query/logs.hpp"
#include "cv_query/routes.hpp"
#include "http/server.hpp"
#include "process/arbiter.hpp"
#include "process/child.hpp"

#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <sys/signalfd.h>
#include <unistd.h>

namespace cv {
namespace {

namespace asio = boost::asio;
using health::worker_state;

siphash_key client_key(const std::string& secret)
{
    const auto digest = sha256({"cv-backend client pseudonym\n", secret});
    siphash_key key{};
    std::memcpy(key.data(), digest.data(), sizeof key);
    return key;
}

/// The signals that are a worker's own; those of a terminal are for the arbiter, which then leads.
unique_fd own_signals()
{
    sigset_t own;
    sigemptyset(&own);
    for (const int signal : {SIGTERM, SIGQUIT, SIGUSR1})
        sigaddset(&own, signal);
    return unique_fd(::signalfd(-1, &own, SFD_CLOEXEC | SFD_NONBLOCK));
}

http::server_options options_of(const settings& config)
{
    http::server_options options;
    options.keepalive = config.keepalive;
    options.trusted = config.forwarded_allow_ips;
    options.client_key = client_key(config.secret_key);
    options.drain_timeout = config.graceful_timeout;
    options.most_requests = config.max_requests;
    options.most_requests_spread = config.max_requests_jitter;
    return options;
}

class worker
{
public:
    explicit worker(const worker_setup& setup)
        : setup_(setup), access_(setup.config.access_log, setup.config.log_format, false),
          cvs_(setup.config.state_dir),
          handlers_([this] { return cvs_.current(); }, media(setup.config.data_dir),
                    {setup.instance, &setup.board, setup.config.state_dir}),
          dispatch_(make_routes(handlers_),
                    {setup.config.allowed_hosts, setup.config.cors_allowed_origins,
                     setup.config.secure_ssl_redirect, setup.config.secure_proxy_ssl_header.name,
                     setup.config.secure_proxy_ssl_header.value}),
          signals_(context_, own_signals().release()),
          server_(context_, dispatch_, access_, setup.slot.counters, options_of(setup.config))
    {
    }

    void run()
    {
        server_.set_tick([this] { tick(); });
        server_.set_gate([this] { return others_first(); });
        server_.set_worn([this] { return may_leave(); });
        for (const int socket : setup_.listeners) {
            server_.listen(socket);
            ::close(socket); // the server has its own, and a drain is to leave none behind
        }
        await_signal();
        enter(worker_state::ready);
        context_.run();
        access_.flush();
        setup_.slot.answered.set(server_.answered());
    }

private:
    void enter(worker_state state)
    {
        setup_.slot.state.store(state, std::memory_order_relaxed);
        wake_arbiter();
    }

    void tick()
    {
        setup_.slot.heartbeat.add();
        setup_.slot.answered.set(server_.answered());
        if (!cvs_.follow())
            setup_.board.load_wanted.store(true, std::memory_order_relaxed);
        if (const auto level = setup_.board.log_level.load(std::memory_order_relaxed); level != log_level_) {
            log_level_ = level;
            log::set_level(static_cast<log::level>(level));
        }
        if (server_.draining() && !left_) {
            left_ = true;
            enter(worker_state::leaving);
        }
        if (server_.draining() && server_.connections() == 0)
            signals_.close(); // nothing is left to wait for
    }

    /// Whether another worker has fewer connections: without this the first to wake takes all that wait.
    bool others_first() const
    {
        const auto mine = server_.connections();
        for (const auto& other : health::used_slots(setup_.board))
            if (other.state.load(std::memory_order_relaxed) == worker_state::ready &&
                other.counters.open.get() < mine)
                return true;
        return false;
    }

    bool may_leave()
    {
        if (setup_.slot.state.load(std::memory_order_relaxed) == worker_state::ready)
            enter(worker_state::worn);
        return setup_.slot.relieved.load(std::memory_order_relaxed);
    }

    void await_signal()
    {
        signals_.async_wait(asio::posix::stream_descriptor::wait_read,
                            [this](boost::system::error_code error) {
                                signalfd_siginfo info{};
                                if (error)
                                    return;
                                if (::read(signals_.native_handle(), &info, sizeof info) == sizeof info)
                                    obey(info.ssi_signo);
                                await_signal();
                            });
    }

    void obey(std::uint32_t signal)
    {
        if (signal == SIGUSR1) {
            if (!access_.reopen() || !log::reopen())
                log::write(log::level::error, "worker",
                           "a log cannot be opened again; the one before goes on",
                           {{"reason", errno_message(errno)}});
        } else if (signal == SIGQUIT) {
            server_.drain(std::chrono::seconds(0));
        } else if (!server_.draining()) {
            // What waits on an address that is being given up, nobody else would take.
            constexpr bool take_waiting = true;
            server_.drain(setup_.config.graceful_timeout, take_waiting);
        }
    }

    worker_setup setup_;
    access_log access_;
    catalogue cvs_;
    api handlers_;
    http::dispatcher dispatch_;
    asio::io_context context_{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE}; // one thread, no locks
    asio::posix::stream_descriptor signals_;
    http::server server_;
    std::uint32_t log_level_ = static_cast<std::uint32_t>(setup_.config.log_level); ///< in force here
    bool left_ = false;
};

} // namespace

int run_worker(const worker_setup& setup)
{
    raise_descriptor_limit();
    start_log(setup.config);
    worker(setup).run();
    log::stop();
    return exit_code::ok;
}

} // namespace cv

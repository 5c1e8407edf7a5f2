#pragma once
#include "process/control.hpp"
#include "process/folder_watch.hpp"
#include "process/load_process.hpp"
#include "process/worker_pool.hpp"

#include <optional>
#include <string>
#include <vector>

namespace cv {

/// What an arbiter needs to know of the settings.
struct arbiter_plan
{
    worker_plan workers;
    std::string watched_folder; ///< a change in it starts a load
    std::string process_name;
};

/// What an arbiter runs. It calls these on its one thread; in a child of its own where it says so.
class arbitrated
{
public:
    virtual ~arbitrated() = default;

    /// Of the settings in force; `on_trial`: of those that reload() has found.
    virtual arbiter_plan plan(bool on_trial) const = 0;
    /// Listens, before the first worker starts. Throws when it cannot.
    virtual void open_listeners() = 0;
    /// The sockets of the workers; they stay open in them.
    virtual std::vector<int> listeners(bool on_trial) const = 0;
    /// Says where it listens: a worker is ready.
    virtual void announce() = 0;
    /// Makes no more connections come, before the workers are asked to take what has come and to end.
    virtual void stop_listening() = 0;
    virtual void close_listeners() = 0;

    /// Reads the settings again. True when they have changed and are good: they are then on trial. `failure`
    /// says what is wrong with bad ones, which change nothing.
    virtual bool reload(std::string& failure) = 0;
    /// The settings on trial are in force now, or are dropped.
    virtual void settle(bool taken) = 0;
    /// Writes the logs to newly opened files; false and errno when they cannot be opened.
    virtual bool reopen_logs() = 0;

    /// In a child: serves with this slot until SIGTERM; the exit code.
    virtual int run_worker(health::worker_slot& slot, bool on_trial) = 0;
    /// In a child: loads, with the settings on trial when there are some; the exit code, 0 when it has.
    virtual int run_load(bool tell_all) = 0;
};

/// The process that its user has started. It owns the listening sockets, starts a loader and the workers,
/// looks after both and answers to signals:
///
///     SIGTERM, SIGINT  ends, with no request lost; a second one ends at once
///     SIGQUIT          ends at once
///     SIGHUP           reads settings and data again
///     SIGUSR1          opens the logs again
///
/// It parses no CV and no request, so that nothing a user sends can take it down.
class arbiter
{
public:
    /// `board` and `service` must outlive it; `control` is the path of the control socket. The signals must
    /// be blocked already: block_signals().
    arbiter(const health::scoreboard_file& board, arbitrated& service, const std::string& control);

    /// Blocks the signals that run() waits for. To be called early, so that none that comes before is lost.
    static void block_signals();

    /// Runs to the end; the exit code.
    int run();

private:
    enum class reload_step
    {
        none,
        loading, ///< with the new settings
        proving  ///< whether a worker can start with them
    };

    void wait(monotonic::time_point until);
    void take_signals();
    void take_children();
    void calm_watchdog(monotonic::time_point now);
    void tell_status();
    void ask_for_time(monotonic::time_point now);
    void advance(monotonic::time_point now);
    void load_ended(bool good);
    void begin_serving();
    void reload();
    void end_reload(bool taken, const std::string& failure);
    void stop(bool at_once);
    void tell_manager(const std::string& state);
    std::string obey(std::string_view wish);

    const health::scoreboard_file& board_;
    arbitrated& service_;
    control_socket control_;
    unique_fd signals_;
    unique_fd woken_; ///< an eventfd; a worker writes to it when its state has changed
    folder_watch folder_;
    load_process load_;
    worker_pool pool_;
    arbiter_plan plan_;
    reload_step step_ = reload_step::none;
    unsigned loads_to_wait_ = 0; ///< the one that runs already has the settings before
    bool reload_again_ = false;
    bool listening_ = false;
    bool stopping_ = false;
    bool listeners_closed_ = false;
    std::optional<int> exit_code_;
    monotonic::time_point control_pause_;
    monotonic::duration manager_period_{};
    monotonic::time_point next_manager_;
    monotonic::time_point next_extension_;
    std::string told_;
};

/// In a worker: tells the arbiter that the state in its slot has changed.
void wake_arbiter();

} // namespace cv

#pragma once
#include "base/log.hpp"
#include "base/log_file.hpp"
#include "config/command_line.hpp"
#include "health/scoreboard.hpp"
#include "process/arbiter.hpp"
#include "process/instance.hpp"
#include "process/listener.hpp"

#include <optional>
#include <string>
#include <unistd.h>
#include <vector>

namespace cv {

/// The query service as its arbiter runs it: the settings in force, the listening sockets, and what workers
/// and loaders do.
class query_service final : public arbitrated
{
public:
    /// `arguments` and `board` must outlive it. `handed_over`: sockets to listen on instead of BIND. Throws
    /// bad_setting for settings that cannot be used.
    query_service(const command_line& arguments, configuration found, const std::string& instance,
                  const health::scoreboard_file& board, std::vector<listening_socket> handed_over);

    arbiter_plan plan(bool on_trial) const override;
    void open_listeners() override;
    std::vector<int> listeners(bool on_trial) const override;
    void announce() override;
    void stop_listening() override;
    void close_listeners() override;
    bool reload(std::string& failure) override;
    void settle(bool taken) override;
    bool reopen_logs() override { return log::reopen(); }
    int run_worker(health::worker_slot& slot, bool on_trial) override;
    int run_load(bool tell_all) override;

private:
    /// Settings, and the sockets that go with them.
    struct state
    {
        configuration found;
        std::vector<listening_socket> sockets;
        const settings& config() const { return found.values; }
    };
    const state& that(bool on_trial) const { return on_trial && next_ ? *next_ : now_; }
    void tell_listeners(bool to_user);
    void tell_level() const;

    const command_line& arguments_;
    const std::string& instance_;
    const health::scoreboard_file& board_;
    const bool handed_over_;
    state now_;
    std::optional<state> next_; ///< on trial
    std::vector<std::string> announced_;
    log_file output_{"-", STDOUT_FILENO}; ///< for ready lines, which nobody may be reading
};

} // namespace cv

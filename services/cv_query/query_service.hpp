#pragma once
#include "config/command_line.hpp"
#include "health/scoreboard.hpp"
#include "process/arbiter.hpp"
#include "process/instance.hpp"
#include "process/listener.hpp"

#include <string>
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

    arbiter_plan plan() const override;
    void open_listeners() override;
    std::vector<int> listeners() const override;
    void announce() override;
    void stop_listening() override;
    void close_listeners() override;
    bool reload(std::string& failure) override;
    void settle(bool taken) override;
    void reopen_logs() override;
    int run_worker(health::worker_slot& slot) override;
    int run_load(bool tell_all) override;

private:
    const settings& config() const { return found_.values; }
    std::vector<listening_socket> listen_anew(const std::vector<listening_socket>& kept) const;
    void tell_listeners(bool to_user);
    void tell_level() const;

    const command_line& arguments_;
    configuration found_; ///< in force, or on trial
    configuration before_;
    const std::string& instance_;
    const health::scoreboard_file& board_;
    const bool handed_over_;
    std::vector<listening_socket> sockets_;
    std::vector<listening_socket> sockets_before_; ///< while others are on trial
    std::vector<std::string> announced_;
};

} // namespace cv

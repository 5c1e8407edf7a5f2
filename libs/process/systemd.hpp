#pragma once
#include "process/listener.hpp"

#include <chrono>
#include <string>
#include <vector>

/// The two agreements with a service manager, by their wire form instead of libsystemd (sd_notify(3),
/// sd_listen_fds(3)); both do nothing under another parent.
namespace cv {

/// Tells the service manager, when there is one: lines of `NAME=VALUE`, such as `READY=1`. Never waits and
/// never fails; thread-safe.
void notify_manager(const std::string& lines);

/// How often the service manager wants to hear WATCHDOG=1, else it takes this process for hung
/// (sd_watchdog_enabled(3)); 0 when it does not.
std::chrono::microseconds watchdog_period();

/// The listening sockets that the service manager has handed over, in its order; none when it has not. To be
/// called once: it takes the variables out of the environment, so that children are not misled. Throws
/// std::runtime_error for a descriptor that is no listening stream socket.
std::vector<listening_socket> inherited_sockets();

} // namespace cv

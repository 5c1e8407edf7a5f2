#pragma once
#include "base/address.hpp"

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <string>
#include <string_view>

namespace cv::http {

/// What came of asking a server.
struct probe_answer
{
    unsigned status = 0; ///< 0 when there was no answer
    std::string body;    ///< the first 64 KiB at most
    std::string fault;   ///< why there was no answer
};

/// How the probes name themselves; a server that trusts the peer does not log those that find all well.
inline constexpr std::string_view probe_agent = "cv-probe";

/// Asks a server for `path` on a connection of its own, as a health probe does; nothing takes longer than
/// `patience`, and nothing is thrown for what the server does. Runs on the caller's executor.
boost::asio::awaitable<probe_answer> async_probe(endpoint where, std::string path,
                                                 std::chrono::milliseconds patience);

/// The same, waiting for the answer. Thread-safe.
probe_answer probe(const endpoint& where, const std::string& path, std::chrono::milliseconds patience);

} // namespace cv::http

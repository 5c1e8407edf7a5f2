#pragma once
#include "cv_health/certificate.hpp"

#include <boost/asio/awaitable.hpp>
#include <string>

namespace cv {

/// What came of asking nginx on its public port.
struct proxy_answer
{
    unsigned status = 0;                 ///< 0 when there was no answer
    std::string fault;                   ///< why there was none
    std::optional<certificate_time> end; ///< of the certificate that it showed
};

/// Asks for `path` at `url` (as PROXY_URL names it: http:// or https:// with a name or an address, or a unix
/// socket), as a client of `host` would: nothing takes longer than `patience`. The certificate is looked at,
/// not verified: that is done by those who know the name that clients use.
boost::asio::awaitable<proxy_answer> async_probe_proxy(std::string url, std::string host, std::string path,
                                                       std::chrono::milliseconds patience);

} // namespace cv

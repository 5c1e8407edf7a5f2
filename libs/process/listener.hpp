#pragma once
#include "base/address.hpp"
#include "base/file.hpp"

#include <sys/types.h>
#include <utility>

namespace cv {

/// A bound, listening, non-blocking socket and where it really listens.
struct listening_socket
{
    unique_fd socket;
    endpoint where;                 ///< with the port that was taken for port 0
    std::pair<dev_t, ino_t> file{}; ///< of a unix socket: what was made at its path

    /// Removes a unix socket's file, unless somebody has put another one there.
    void remove_file() const;

    /// Lets no new client in, so that those who have got in can be accepted and none is reset: a unix socket
    /// loses its name, a TCP socket drops SYNs, which clients send again a second later. Not for a socket
    /// that another process goes on with.
    void shut() const;
};

/// Binds and listens. A unix socket that nobody listens on any more is replaced; it is made accessible to
/// all, its folder guards it. Throws std::runtime_error that names the address and says why.
listening_socket listen_on(const endpoint& where);

/// `http://127.0.0.1:8000` or `unix:/path`, as ready lines have it.
std::string url_of(const endpoint& where);

} // namespace cv

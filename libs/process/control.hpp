#pragma once
#include "base/file.hpp"

#include <functional>
#include <string>
#include <string_view>

/// The socket by which an operator's wishes reach the arbiter: one message asks (`drain`, `undrain`,
/// `reload`, `loglevel debug`), one answers (`ok …` or `error …`). Who may connect is decided by the file's
/// mode, 0600.
namespace cv {

inline constexpr std::size_t longest_control_message = 256;

/// The arbiter's side. Never waits. Not thread-safe.
class control_socket
{
public:
    /// Binds to `path`, replacing what is there. Throws std::runtime_error that names it.
    explicit control_socket(const std::string& path);

    int descriptor() const { return socket_.get(); }

    /// Answers all that have asked by what `answer` makes of it. A caller that has connected and says nothing
    /// is hung up on. False when there was no descriptor to do so.
    bool serve(const std::function<std::string(std::string_view)>& answer);

private:
    unique_fd socket_;
};

/// Asks the arbiter that listens at `path`; its answer, or `error: …` when there is none within a
/// second, which it waits.
std::string ask_arbiter(const std::string& path, const std::string& wish);

} // namespace cv

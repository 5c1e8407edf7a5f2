#pragma once
#include "base/clock.hpp"
#include "base/file.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>
#include <utility>

namespace cv {

/// Notices that files in a folder have changed, once a change has come to rest: a file that is written, then
/// renamed, or many that are copied, are one change. A file that is still being written is none, until it is
/// closed. The folder may come, go and be replaced. Not thread-safe.
class folder_watch
{
public:
    folder_watch();

    /// Watches another folder from now on.
    void set_folder(const std::string& path);

    /// To be polled for input; invalid when the system cannot watch, and then only a folder that comes, goes
    /// or is replaced is noticed.
    int descriptor() const { return inotify_.get(); }

    /// Reads what the system has told, and looks whether the folder is still the same one. To be called when
    /// the descriptor is readable, and a few times a second.
    void update(monotonic::time_point now);

    /// When due() will be true if nothing more changes; nothing while nothing has changed.
    std::optional<monotonic::time_point> next() const { return due_; }

    /// Whether a change has come to rest; true once for each.
    bool due(monotonic::time_point now);

private:
    void note(monotonic::time_point now);
    void attach();

    unique_fd inotify_;
    int watch_ = -1;
    std::string path_;
    std::pair<dev_t, ino_t> folder_{};
    std::int64_t modified_ = 0; ///< where the system cannot watch
    monotonic::time_point first_;
    std::optional<monotonic::time_point> due_;
};

} // namespace cv

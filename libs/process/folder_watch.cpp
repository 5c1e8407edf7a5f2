#include "process/folder_watch.hpp"

#include "base/log.hpp"

#include <algorithm>
#include <cerrno>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

namespace cv {
namespace {

constexpr auto rest = std::chrono::milliseconds(200);
constexpr auto longest_wait = std::chrono::seconds(1); ///< when changes never come to rest

// Without IN_CREATE and IN_MODIFY: what they tell of is not whole yet.
constexpr std::uint32_t changes =
    IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB | IN_ONLYDIR;

std::pair<dev_t, ino_t> id_of(const std::string& path)
{
    struct stat status{};
    return ::stat(path.c_str(), &status) == 0 ? std::pair(status.st_dev, status.st_ino)
                                              : std::pair<dev_t, ino_t>();
}

/// When the folder's entries last changed, in nanoseconds; 0 when it is not there.
std::int64_t modified(const std::string& path)
{
    struct stat status{};
    constexpr std::int64_t nano = 1'000'000'000;
    return ::stat(path.c_str(), &status) == 0 ? status.st_mtim.tv_sec * nano + status.st_mtim.tv_nsec : 0;
}

} // namespace

folder_watch::folder_watch() : inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {}

void folder_watch::set_folder(const std::string& path)
{
    if (path == path_)
        return;
    path_ = path;
    attach();
}

void folder_watch::attach()
{
    if (watch_ >= 0)
        ::inotify_rm_watch(inotify_.get(), watch_);
    folder_ = id_of(path_);
    watch_ = ::inotify_add_watch(inotify_.get(), path_.c_str(), changes);
    if (watch_ < 0 && folder_ != std::pair<dev_t, ino_t>())
        log::write(
            log::level::warning, "watch",
            "the system cannot watch the folder: files that come and go are noticed all the same, changes "
            "within a file are not; SIGHUP loads them",
            {{"folder", path_}, {"reason", errno_message(errno)}});
    modified_ = modified(path_);
}

void folder_watch::note(monotonic::time_point now)
{
    if (!due_)
        first_ = now;
    due_ = std::min(now + rest, first_ + longest_wait);
}

void folder_watch::update(monotonic::time_point now)
{
    alignas(inotify_event) char events[4096];
    for (ssize_t got = 0; (got = ::read(inotify_.get(), events, sizeof events)) > 0;)
        for (ssize_t at = 0; at < got;) {
            const auto& event = *reinterpret_cast<const inotify_event*>(events + at);
            at += static_cast<ssize_t>(sizeof event + event.len);
            if ((event.mask & IN_Q_OVERFLOW) != 0 || (event.wd == watch_ && (event.mask & IN_IGNORED) == 0))
                note(now);
        }
    if (id_of(path_) != folder_) {
        attach();
        note(now);
    } else if (watch_ < 0 && modified(path_) != modified_) {
        modified_ = modified(path_);
        note(now);
    }
}

bool folder_watch::due(monotonic::time_point now)
{
    if (!due_ || now < *due_)
        return false;
    due_.reset();
    return true;
}

} // namespace cv

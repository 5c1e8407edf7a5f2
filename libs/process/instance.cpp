#include "process/instance.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <sys/stat.h>
#include <unistd.h>

namespace cv {
namespace {

constexpr std::string_view prefix = "query-";
constexpr int most_instances = 1000;

[[noreturn]] void fail(const std::string& what, const std::string& path, const std::string& why)
{
    throw std::runtime_error("cannot " + what + " " + path + ": " + why + "; CV_RUN_DIR names its place");
}

// Locks of the open file, not of the process (fcntl(2), "Open file description locks"): they are seen across
// containers, a reader asks for them without taking one, and a fork does not lose them.
bool lock(int fd, int command, struct flock& what)
{
    what = {};
    what.l_type = F_WRLCK;
    what.l_whence = SEEK_SET;
    return ::fcntl(fd, command, &what) == 0;
}

/// Whether somebody holds the lock; nothing when that cannot be told.
std::optional<bool> is_alive(const instance_files& files)
{
    const unique_fd file(::open(files.pid().c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct flock found{};
    if (!file)
        return errno == ENOENT ? std::optional(false) : std::nullopt;
    return lock(file.get(), F_OFD_GETLK, found) && found.l_type != F_UNLCK;
}

void remove(const instance_files& files)
{
    for (const auto& path : {files.control(), files.scoreboard(), files.scoreboard() + ".new", files.pid()})
        ::unlink(path.c_str());
    ::rmdir(files.folder.c_str());
}

/// The locked pid file; invalid when a living instance has it.
unique_fd take(const instance_files& files)
{
    constexpr int most_tries = 100; // another start may just be clearing the folder away
    for (int i = 0; i < most_tries; ++i) {
        if (::mkdir(files.folder.c_str(), 0750) != 0 && errno != EEXIST)
            fail("make the folder", files.folder, errno_message(errno));
        unique_fd file(::open(files.pid().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
        if (!file && errno == ENOENT)
            continue;
        if (!file)
            fail("write", files.pid(), errno_message(errno));
        struct flock taken{};
        if (!lock(file.get(), F_OFD_SETLK, taken))
            return {};
        struct stat opened{};
        struct stat there{};
        if (::fstat(file.get(), &opened) == 0 && ::stat(files.pid().c_str(), &there) == 0 &&
            opened.st_ino == there.st_ino)
            return file;
        // It was removed between our open and our lock: nobody would find it.
    }
    return {};
}

/// Clears away what a killed instance has left, holding its lock: nobody else is just taking it.
void clear(const instance_files& files)
{
    const unique_fd file(::open(files.pid().c_str(), O_RDWR | O_CLOEXEC));
    struct flock taken{};
    if (file && lock(file.get(), F_OFD_SETLK, taken))
        remove(files);
}

} // namespace

instance::instance(const std::string& run_folder) : owner_(::getpid())
{
    std::error_code error;
    std::filesystem::create_directories(run_folder, error);
    if (error)
        fail("make the folder", run_folder, error.message());
    for (int number = 0; !lock_; ++number) {
        if (number == most_instances)
            fail("find a free number in", run_folder, "a thousand instances run");
        name_ = std::string(prefix) + std::to_string(number);
        files_ = {std::filesystem::absolute(run_folder) / name_};
        lock_ = take(files_);
    }
    const auto line = std::to_string(owner_) + "\n";
    if (::ftruncate(lock_.get(), 0) != 0 ||
        ::write(lock_.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size()))
        fail("write", files_.pid(), errno_message(errno));
    for (const auto& other : find_instances(run_folder))
        if (other.name != name_ && !other.alive)
            clear(other.files);
}

instance::~instance()
{
    if (lock_ && owner_ == ::getpid())
        remove(files_);
}

std::vector<found_instance> find_instances(const std::string& run_folder)
{
    std::vector<found_instance> found;
    std::error_code error;
    const auto place = std::filesystem::absolute(run_folder, error);
    std::filesystem::directory_iterator entry(place, error);
    for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
        auto name = entry->path().filename().string();
        if (!name.starts_with(prefix))
            continue;
        found_instance one{std::move(name), {entry->path().string()}, false, {}};
        const auto alive = is_alive(one.files);
        one.alive = alive.value_or(true);
        if (!alive)
            one.fault =
                "its files cannot be read (" + errno_message(errno) + "): run both programs as the same user";
        found.push_back(std::move(one));
    }
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return found;
}

} // namespace cv

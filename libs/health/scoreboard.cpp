#include "health/scoreboard.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <new>
#include <stdexcept>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace cv::health {
namespace {

[[noreturn]] void fail(const std::string& what, const std::string& path)
{
    throw std::runtime_error("cannot " + what + " the scoreboard " + path + ": " + errno_message(errno));
}

scoreboard* map(int fd, int protection)
{
    void* const at = ::mmap(nullptr, sizeof(scoreboard), protection, MAP_SHARED, fd, 0);
    return at == MAP_FAILED ? nullptr : static_cast<scoreboard*>(at);
}

bool reserve(int fd, std::size_t from, std::size_t size)
{
    errno = ::posix_fallocate(fd, static_cast<off_t>(from), static_cast<off_t>(size));
    return errno == 0;
}

bool is_ready(const worker_slot& slot)
{
    const auto state = slot.state.load(std::memory_order_relaxed);
    return state == worker_state::ready || state == worker_state::worn;
}

} // namespace

std::string_view name(instance_state state)
{
    constexpr std::array<std::string_view, 3> names = {"starting", "serving", "stopping"};
    return names[static_cast<std::size_t>(state) % names.size()];
}

std::string_view name(worker_state state)
{
    constexpr std::array<std::string_view, 5> names = {"none", "starting", "ready", "worn", "leaving"};
    return names[static_cast<std::size_t>(state) % names.size()];
}

std::string_view name(worker_end why)
{
    constexpr std::array<std::string_view, worker_end_count> names = {"died", "hung", "worn", "replaced"};
    return names[static_cast<std::size_t>(why) % names.size()];
}

std::string_view name(load_phase phase)
{
    constexpr std::array<std::string_view, 6> names = {"none",       "waiting", "compiling",
                                                       "committing", "good",    "failed"};
    return names[static_cast<std::size_t>(phase) % names.size()];
}

scoreboard_file scoreboard_file::create(const std::string& path)
{
    // Written under another name first: nobody ever maps half of it.
    const auto making = path + ".new";
    ::unlink(making.c_str());
    unique_fd file(::open(making.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640));
    if (!file || ::ftruncate(file.get(), sizeof(scoreboard)) != 0 ||
        !reserve(file.get(), 0, offsetof(scoreboard, slots)))
        fail("make", path);
    auto* const at = map(file.get(), PROT_READ | PROT_WRITE);
    if (!at)
        fail("map", path);
    // Zeros are a slot's empty state, so the slots stay holes of the file until they are used.
    at->magic = scoreboard_magic;
    at->version = scoreboard_version;
    at->size = sizeof(scoreboard);
    if (::rename(making.c_str(), path.c_str()) != 0)
        fail("make", path);
    return {std::move(file), at};
}

scoreboard_file scoreboard_file::open(const std::string& path)
{
    const unique_fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status{};
    if (!file || ::fstat(file.get(), &status) != 0)
        fail("open", path);
    const auto other = [&path] {
        return std::runtime_error("the scoreboard " + path +
                                  " is of another version of this program; run both of the same version");
    };
    if (static_cast<std::uint64_t>(status.st_size) != sizeof(scoreboard))
        throw other();
    auto* const at = map(file.get(), PROT_READ);
    if (!at)
        fail("map", path);
    scoreboard_file result({}, at);
    if (at->magic != scoreboard_magic || at->version != scoreboard_version || at->size != sizeof(scoreboard))
        throw other();
    return result;
}

scoreboard_file::scoreboard_file(scoreboard_file&& other) noexcept
    : file_(std::move(other.file_)), board_(std::exchange(other.board_, nullptr))
{
}

scoreboard_file& scoreboard_file::operator=(scoreboard_file&& other) noexcept
{
    std::swap(file_, other.file_);
    std::swap(board_, other.board_);
    return *this;
}

scoreboard_file::~scoreboard_file()
{
    if (board_)
        ::munmap(board_, sizeof(scoreboard));
}

worker_slot* scoreboard_file::free_slot() const
{
    auto& slots = board_->slots;
    const auto used = static_cast<std::uint32_t>(used_slots(*board_).size());
    const auto free = std::find_if(slots.begin(), slots.begin() + used, [](const worker_slot& slot) {
        return slot.pid.load(std::memory_order_relaxed) == 0;
    });
    const auto index = static_cast<std::size_t>(free - slots.begin());
    if (index < used)
        return &slots[index];
    errno = EAGAIN;
    if (index == slots.size() ||
        !reserve(file_.get(), offsetof(scoreboard, slots) + index * sizeof(worker_slot), sizeof(worker_slot)))
        return nullptr;
    board_->slots_used.store(used + 1, std::memory_order_release);
    return &slots[index];
}

std::span<const worker_slot> used_slots(const scoreboard& board)
{
    return std::span(board.slots)
        .first(std::min<std::size_t>(board.slots_used.load(std::memory_order_acquire), most_slots));
}

std::size_t ready_workers(const scoreboard& board)
{
    const auto slots = used_slots(board);
    return static_cast<std::size_t>(std::count_if(slots.begin(), slots.end(), is_ready));
}

} // namespace cv::health

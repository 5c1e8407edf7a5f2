#include "base/file.hpp"

#include <cerrno>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

namespace cv {

void unique_fd::reset()
{
    if (fd_ >= 0)
        ::close(std::exchange(fd_, -1));
}

std::string errno_message(int code)
{
    return std::generic_category().message(code);
}

unique_fd open_beneath(int folder, const char* name)
{
    open_how how{};
    how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    return unique_fd(static_cast<int>(::syscall(SYS_openat2, folder, name, &how, sizeof how)));
}

unique_fd open_folder(const std::string& path)
{
    return unique_fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

bool read_all(int fd, std::size_t limit, std::string& out)
{
    out.clear();
    constexpr std::size_t step = 256 * 1024;
    for (;;) {
        const auto have = out.size();
        if (have > limit) {
            errno = EFBIG;
            return false;
        }
        out.resize(have + step);
        const auto got = ::read(fd, out.data() + have, step);
        out.resize(have + (got > 0 ? static_cast<std::size_t>(got) : 0));
        if (got == 0)
            return true;
        if (got < 0 && errno != EINTR)
            return false;
    }
}

} // namespace cv

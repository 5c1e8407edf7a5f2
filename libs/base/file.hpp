#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace cv {

/// Owns a file descriptor and closes it. Moves only.
class unique_fd
{
public:
    unique_fd() = default;
    explicit unique_fd(int fd) : fd_(fd) {}
    unique_fd(unique_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    unique_fd& operator=(unique_fd&& other) noexcept
    {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~unique_fd() { reset(); }

    int get() const { return fd_; }
    int release() { return std::exchange(fd_, -1); }
    void reset();
    explicit operator bool() const { return fd_ >= 0; }

private:
    int fd_ = -1;
};

/// What errno `code` means, in words ("No such file or directory"). Thread-safe.
std::string errno_message(int code);

/// Opens `name`, which must lie inside the folder `folder` after every link is followed, for reading without
/// ever waiting (a FIFO does not block). An invalid descriptor and errno when it cannot: EXDEV or ELOOP for a
/// path that leaves the folder.
unique_fd open_beneath(int folder, const char* name);

/// Opens the folder `path`; an invalid descriptor and errno when it cannot.
unique_fd open_folder(const std::string& path);

/// Reads the rest of `fd` into `out`, at most `limit` bytes; false and errno when it fails (EFBIG over it).
bool read_all(int fd, std::size_t limit, std::string& out);

} // namespace cv

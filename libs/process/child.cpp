#include "process/child.hpp"

#include "base/log.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <iostream>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef CV_COVERAGE
extern "C" void __gcov_dump(); // libgcov's; gcov.h of GCC 12 is for C alone
#endif

namespace cv {
namespace {

void close_all_but(std::vector<int> keep)
{
    keep.insert(keep.end(), {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO});
    std::sort(keep.begin(), keep.end());
    unsigned next = 0;
    for (const auto fd : keep) {
        if (fd < 0)
            continue;
        if (static_cast<unsigned>(fd) > next)
            ::close_range(next, static_cast<unsigned>(fd) - 1, 0);
        next = std::max(next, static_cast<unsigned>(fd) + 1);
    }
    ::close_range(next, ~0U, 0);
}

} // namespace

pid_t fork_child(std::vector<int> keep, const std::function<int()>& body)
{
    const auto parent = ::getpid();
    const auto pid = ::fork();
    if (pid != 0)
        return pid;
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) // which ended before it could be told
        std::_Exit(EXIT_FAILURE);
    log::stop();
    close_all_but(std::move(keep));
    int code = EXIT_FAILURE;
    try {
        code = body();
    } catch (const std::exception& error) {
        std::cerr << "cv-query: " << error.what() << std::endl;
    }
    // Not exit(): what the parent has made is the parent's to take down.
    std::cout.flush();
#ifdef CV_COVERAGE
    ::__gcov_dump(); // which exit() would have done
#endif
    std::_Exit(code);
}

void keep_standard_streams()
{
    int fd = 0;
    do // the lowest free number is taken
        fd = ::open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        ::close(fd);
}

std::size_t raise_descriptor_limit()
{
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
        ::getrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur;
}

std::string describe_end(int wait_status)
{
    if (WIFEXITED(wait_status))
        return "exit code " + std::to_string(WEXITSTATUS(wait_status));
    const int signal = WTERMSIG(wait_status);
    const char* const words = ::sigdescr_np(signal);
    return "signal " + std::to_string(signal) + (words ? " (" + std::string(words) + ")" : "");
}

} // namespace cv

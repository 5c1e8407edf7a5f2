#pragma once
#include <functional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace cv {

/// Forks a process that runs `body` and exits with what that gives. It keeps of the descriptors only the
/// standard streams and those of `keep`, and of the log nothing; the signals stay blocked as they are here.
/// It gets SIGTERM when this process ends, whatever ends it. Gives the pid; below 0 and errno when it fails.
/// Only for a process with one thread.
pid_t fork_child(std::vector<int> keep, const std::function<int()>& body);

/// Puts /dev/null where a standard stream is closed, so that no file of ours gets its number. To be called
/// first thing in main().
void keep_standard_streams();

/// Lets this process have as many descriptors as the system allows it, for each connection takes one; how
/// many that is.
std::size_t raise_descriptor_limit();

/// How a process ended, for people: `exit code 69`, `signal 11 (Segmentation fault)`.
std::string describe_end(int wait_status);

} // namespace cv

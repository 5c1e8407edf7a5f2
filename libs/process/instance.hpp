#pragma once
#include "base/file.hpp"

#include <string>
#include <vector>

/// Instances of the service: each has a folder of its own in the run folder, named `query-0`, `query-1`, … It
/// holds `pid` (locked as long as the instance lives), `scoreboard` and the socket `control`.
namespace cv {

/// What lies in an instance's folder, by path.
struct instance_files
{
    std::string folder;
    std::string pid() const { return folder + "/pid"; }
    std::string scoreboard() const { return folder + "/scoreboard"; }
    std::string control() const { return folder + "/control"; }
};

/// An instance of this process: the lowest number that no living instance has, so that the name stays the
/// same over restarts. Its files go with it, but for those of a process that is killed; the next one to start
/// clears them away.
class instance
{
public:
    /// Takes a number, makes the folder (and `run_folder`) and writes the pid file. Throws std::runtime_error
    /// that names the path and CV_RUN_DIR.
    explicit instance(const std::string& run_folder);
    ~instance();
    instance(const instance&) = delete;
    instance& operator=(const instance&) = delete;

    const std::string& name() const { return name_; }
    const instance_files& files() const { return files_; }

private:
    std::string name_;
    instance_files files_;
    unique_fd lock_;
    pid_t owner_; ///< a child that ends must leave the files alone
};

/// An instance that another process finds.
struct found_instance
{
    std::string name;
    instance_files files;
    bool alive = false; ///< its arbiter runs, or nobody can tell
    std::string fault;  ///< why nobody can
};

/// All instances in `run_folder`, by name; empty when there are none or the folder is not there.
std::vector<found_instance> find_instances(const std::string& run_folder);

} // namespace cv

#include "cv_query/commands.hpp"

#include "base/clock.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "config/exit_code.hpp"
#include "cv_query/cv_files.hpp"
#include "cv_query/load_run.hpp"
#include "http/client.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <unistd.h>

namespace cv {
namespace {

/// Shows how far a load is: in place on a terminal, else a line every few seconds.
class progress_line
{
public:
    void operator()(std::size_t done, std::size_t total)
    {
        const auto now = monotonic::now();
        if (now < next_ && done != total)
            return;
        next_ = now + (terminal_ ? std::chrono::milliseconds(100) : std::chrono::seconds(3));
        if (terminal_)
            std::fprintf(stderr, "\rcompiling: %zu of %zu files%s", done, total, done == total ? "\n" : "");
        else if (done != total && done > 0)
            std::fprintf(stderr, "compiling: %zu of %zu files\n", done, total);
    }

private:
    bool terminal_ = ::isatty(STDERR_FILENO) == 1;
    monotonic::time_point next_ = monotonic::now() + std::chrono::milliseconds(200);
};

} // namespace

int run_load(const settings& config)
{
    try {
        const auto report = load_catalogue(config.data_dir, config.state_dir, progress_line());
        if (!report.rebuilt.empty())
            std::cerr << "WARNING: " << report.rebuilt << '\n';
        for (const auto& row : report.refused)
            std::cerr << "refused: " << row.reason << '\n';
        for (const auto& row : report.mismatched)
            std::cerr << "WARNING: LOCKED FILE CHANGED: " << row.reason << '\n';
        for (const auto& row : report.shadowed)
            std::cerr << "warning: " << row.reason << '\n';
        std::cout << summary(report) << '\n';
        return report.refused.empty() && report.state.documents > 0 ? exit_code::ok : exit_code::bad_data;
    } catch (const catalogue_error& error) {
        std::cerr << "cv-query: " << error.what() << '\n';
        return exit_code::unavailable;
    }
}

void check_cv_files(const settings& config, const std::vector<std::string>& files,
                    const std::function<void(cv_verdict, const std::string& line)>& tell)
{
    namespace fs = std::filesystem;
    std::vector<fs::path> paths(files.begin(), files.end());
    if (paths.empty()) {
        std::error_code error;
        for (const auto& entry : fs::directory_iterator(config.data_dir + "/cvs", error))
            if (entry.path().extension() == ".json" && !entry.path().filename().string().starts_with('.'))
                paths.push_back(entry.path());
        if (error || paths.empty()) {
            tell(cv_verdict::faulty, "no CV files in " + config.data_dir + "/cvs" +
                                         (error ? ": " + error.message() : "") +
                                         "; CV_DATA_DIR names its parent");
            return;
        }
        std::sort(paths.begin(), paths.end());
    }
    for (const auto& path : paths) {
        const auto name = path.filename().string();
        const auto parent = path.has_parent_path() ? path.parent_path().string() : std::string(".");
        const auto folder = open_folder(parent);
        std::string fault;
        if (!folder)
            fault = printable(parent) + ": cannot be opened: " + errno_message(errno);
        else if (!identify(name))
            fault = name_fault(name);
        else
            fault = check_file(folder.get(), name).fault;
        // A fault begins with the name; the folder tells apart files that were given from several.
        const bool elsewhere = !files.empty() && path.has_parent_path() && folder;
        tell(fault.empty() ? cv_verdict::good : cv_verdict::faulty,
             (elsewhere ? printable(parent) + "/" : "") + (fault.empty() ? printable(name) + ": ok" : fault));
    }
    const auto folder = files.empty() ? open_folder(config.data_dir + "/cvs") : unique_fd();
    for (const auto& row : folder ? check_locked_files(folder.get()) : std::vector<named_reason>())
        tell(cv_verdict::changed, row.reason);
}

int run_check(const settings& config, const std::vector<std::string>& files)
{
    bool findings = false;
    check_cv_files(config, files, [&findings](cv_verdict verdict, const std::string& line) {
        findings = findings || verdict != cv_verdict::good;
        std::cout << line << '\n';
    });
    return findings ? exit_code::findings : exit_code::ok;
}

int run_healthcheck(const settings& config)
{
    constexpr auto patience = std::chrono::seconds(5);
    bool healthy = true;
    for (const auto& where : config.bind) {
        if (!where.is_unix() && where.port == 0) {
            std::cerr
                << "cv-query: BIND has port 0; give the one of the ready line, as --bind 127.0.0.1:PORT\n";
            return exit_code::configuration;
        }
        const auto answer = http::probe(where, "/readyz", patience);
        const bool ready = answer.status == 200;
        healthy = healthy && ready;
        (ready ? std::cout : std::cerr) << to_string(where) << ": "
                                        << (ready                ? "ready"
                                            : answer.status == 0 ? answer.fault
                                                                 : printable(trim(answer.body)))
                                        << '\n';
    }
    return healthy ? exit_code::ok : exit_code::findings;
}

} // namespace cv

#include "cv_query/cv_files.hpp"

#include "base/digest.hpp"
#include "base/file.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

namespace cv {
namespace {

/// Whether a fault has to do with the machine, or with what this process may do, rather than with the file.
bool is_passing(int code)
{
    return code == EIO || code == EMFILE || code == ENFILE || code == ENOMEM || code == EINTR ||
           code == EACCES || code == EPERM || code == ENOSYS;
}

} // namespace

checked_file check_file(int folder, const std::string& name)
{
    checked_file result;
    const auto refuse = [&](const std::string& reason) { result.fault = printable(name) + ": " + reason; };
    const auto fd = open_beneath(folder, name.c_str());
    if (!fd) {
        result.passing = is_passing(errno);
        refuse(errno == EXDEV || errno == ELOOP ? "leads out of its folder, which is not followed"
                                                : "cannot be opened: " + errno_message(errno));
        return result;
    }
    struct stat status{};
    if (::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
        refuse("not a regular file");
        return result;
    }
    if (!read_all(fd.get(), largest_document, result.content)) {
        result.passing = is_passing(errno);
        refuse(errno == EFBIG ? "larger than " + std::to_string(largest_document) + " bytes"
                              : "cannot be read: " + errno_message(errno));
        return result;
    }
    result.read = true;
    if (const auto error = compile_document(result.content, result.document))
        result.fault = to_string(*error, printable(name));
    return result;
}

std::string name_fault(const std::string& name)
{
    return printable(name) +
           ": the name of a CV file is PERSON.json or PERSON_de.json, _en or _fa, with PERSON of 1 "
           "to 50 letters, digits and _ that does not end so itself";
}

std::set<std::string> list_cv_files(int folder)
{
    std::set<std::string> names;
    DIR* const directory = ::fdopendir(::fcntl(folder, F_DUPFD_CLOEXEC, 3));
    if (!directory)
        throw catalogue_error("cannot list the CV files: " + errno_message(errno));
    const auto next = [directory] {
        errno = 0;                   // which alone tells an error from the end
        return ::readdir(directory); // NOLINT(concurrency-mt-unsafe): a DIR of our own
    };
    while (const dirent* entry = next()) {
        const std::string_view name = entry->d_name;
        if (!name.starts_with('.') && name.ends_with(".json"))
            names.emplace(name);
    }
    const int error = errno;
    ::closedir(directory);
    if (error != 0)
        throw catalogue_error("cannot list the CV files: " + errno_message(error));
    return names;
}

checksum_list read_checksums(int folder)
{
    constexpr std::size_t digits = 64;
    constexpr std::size_t longest_name = 255;
    const std::string list = "SHA256SUMS";
    checksum_list result;
    std::string sums;
    const auto fd = open_beneath(folder, list.c_str());
    if (!fd && errno == ENOENT)
        return result;
    if (!fd || !read_all(fd.get(), largest_document, sums)) {
        result.faults.push_back({list, list + ": cannot be read: " + errno_message(errno)});
        return result;
    }
    std::size_t number = 0;
    for (std::string_view rest = sums; !rest.empty();) {
        const auto end = rest.find('\n');
        const auto line = trim(rest.substr(0, end));
        rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
        ++number;
        if (line.empty() || line.starts_with('#'))
            continue;
        // `DIGEST  NAME`, or `DIGEST *NAME` for a file read as binary; `sha256sum ./*.json` writes `./NAME`.
        auto name = line.substr(std::min(digits + 2, line.size()));
        if (name.starts_with("./"))
            name.remove_prefix(2);
        if (name.empty() || name.size() > longest_name || name.find('/') != name.npos ||
            line.find_first_not_of("0123456789abcdefABCDEF") != digits)
            result.faults.push_back({list, list + ":" + std::to_string(number) +
                                               ": not a line of sha256sum for a file of this folder"});
        else
            result.digests.emplace(name, to_lower(line.substr(0, digits)));
    }
    return result;
}

std::string digest_of(int folder, const std::string& name)
{
    std::string content;
    const auto fd = open_beneath(folder, name.c_str());
    return fd && read_all(fd.get(), largest_document, content) ? to_hex(sha256({content})) : "";
}

std::string checksum_mismatch(const std::string& name, const std::string& expected, const std::string& digest)
{
    if (digest.empty())
        return printable(name) + ": SHA256SUMS lists it, but it is not there or cannot be read";
    return digest == expected ? "" : printable(name) + ": does not match its line in SHA256SUMS";
}

std::vector<named_reason> check_locked_files(int folder)
{
    auto list = read_checksums(folder);
    auto found = std::move(list.faults);
    for (const auto& [name, expected] : list.digests)
        if (auto reason = checksum_mismatch(name, expected, digest_of(folder, name)); !reason.empty())
            found.push_back({name, std::move(reason)});
    return found;
}

} // namespace cv

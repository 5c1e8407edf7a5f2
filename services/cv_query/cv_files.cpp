#include "cv_query/cv_files.hpp"

#include "base/digest.hpp"
#include "base/file.hpp"
#include "base/text.hpp"

#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

namespace cv {

checked_file check_file(int folder, const std::string& name)
{
    checked_file result;
    const auto refuse = [&](const std::string& reason) { result.fault = name + ": " + reason; };
    const auto fd = open_beneath(folder, name.c_str());
    if (!fd) {
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
        refuse(errno == EFBIG ? "larger than " + std::to_string(largest_document) + " bytes"
                              : "cannot be read: " + errno_message(errno));
        return result;
    }
    result.read = true;
    if (const auto error = compile_document(result.content, result.document))
        result.fault = to_string(*error, name);
    return result;
}

std::vector<named_reason> check_locked_files(int folder)
{
    std::vector<named_reason> found;
    for (const auto& [name, expected] : read_checksums(folder)) {
        std::string content;
        const auto fd = open_beneath(folder, name.c_str());
        const bool read = fd && read_all(fd.get(), largest_document, content);
        if (auto reason = checksum_mismatch(name, expected, read ? to_hex(sha256({content})) : "");
            !reason.empty())
            found.push_back({name, std::move(reason)});
    }
    return found;
}

std::set<std::string> list_cv_files(int folder)
{
    std::set<std::string> names;
    DIR* const directory = ::fdopendir(::fcntl(folder, F_DUPFD_CLOEXEC, 3));
    if (!directory)
        throw catalogue_error("cannot list the CV files: " + errno_message(errno));
    while (const dirent* entry = ::readdir(directory)) { // NOLINT(concurrency-mt-unsafe): a DIR of our own
        const std::string_view name = entry->d_name;
        if (!name.starts_with('.') && name.ends_with(".json"))
            names.emplace(name);
    }
    ::closedir(directory);
    return names;
}

std::map<std::string, std::string> read_checksums(int folder)
{
    constexpr std::size_t digits = 64;
    std::string sums;
    const auto fd = open_beneath(folder, "SHA256SUMS");
    if (!fd || !read_all(fd.get(), largest_document, sums))
        return {};
    std::map<std::string, std::string> lines;
    for (const auto line : split_list(sums, '\n'))
        if (line.size() > digits + 2)
            lines.emplace(trim(line.substr(digits + 2)), to_lower(line.substr(0, digits)));
    return lines;
}

std::string checksum_mismatch(const std::string& name, const std::string& expected, const std::string& digest)
{
    if (digest.empty())
        return name + ": SHA256SUMS lists it, but it is not there";
    return digest == expected ? "" : name + ": does not match its line in SHA256SUMS";
}

} // namespace cv

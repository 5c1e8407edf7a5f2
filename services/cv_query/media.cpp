#include "cv_query/media.hpp"

#include "base/text.hpp"

#include <cerrno>
#include <fcntl.h>
#include <stdexcept>
#include <sys/stat.h>

namespace cv {
namespace {

/// What errno says of a file that could not be opened: that there is none that may be served, or else, by
/// throwing, that something is wrong here which no client can help.
std::optional<media_file> absent(const std::string& path)
{
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == EXDEV || errno == ENXIO)
        return std::nullopt;
    throw std::runtime_error("cannot open " + path + ": " + errno_message(errno));
}

std::optional<media_file> open_media(const std::string& folder, const std::string& name,
                                     std::string_view type)
{
    const auto root = open_folder(folder);
    if (!root)
        return absent(folder);
    media_file result;
    result.file = open_beneath(root.get(), name.c_str());
    if (!result.file)
        return absent(folder + "/" + name);
    struct stat status{};
    if (::fstat(result.file.get(), &status) != 0 || !S_ISREG(status.st_mode))
        return std::nullopt;
    result.size = static_cast<std::uint64_t>(status.st_size);
    result.content_type = type;
    // Nanoseconds of the last change, size and file together change with every content.
    result.etag = "\"";
    append_hex(result.etag,
               static_cast<std::uint64_t>(status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec));
    result.etag += '-';
    append_number(result.etag, status.st_size);
    result.etag += '-';
    append_number(result.etag, status.st_ino);
    result.etag += '"';
    return result;
}

} // namespace

std::optional<media_file> media::pdf(std::string_view person, language lang) const
{
    const auto folder = data_folder_ + "/pdfs";
    const auto open = [&](const std::string& stem, language found) {
        auto file = open_media(folder, stem + ".pdf", "application/pdf");
        if (file)
            file->lang = found;
        return file;
    };
    const std::string stem(person);
    std::optional<media_file> file;
    if (lang != language::en)
        file = open(stem + "_" + std::string(name(lang)), lang);
    if (!file)
        file = open(stem, language::en);
    return file ? std::move(file) : open(stem + "_en", language::en);
}

std::optional<media_file> media::picture(std::string_view person) const
{
    for (const auto& [extension, type] : {std::pair{".jpg", "image/jpeg"},
                                          {".jpeg", "image/jpeg"},
                                          {".png", "image/png"},
                                          {".webp", "image/webp"}})
        if (auto file = open_media(data_folder_ + "/pics", std::string(person) + extension, type))
            return file;
    return std::nullopt;
}

} // namespace cv

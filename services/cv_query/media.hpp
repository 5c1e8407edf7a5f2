#pragma once
#include "base/file.hpp"
#include "cv_query/cv.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace cv {

/// A PDF or picture, open to be sent.
struct media_file
{
    unique_fd file;
    std::uint64_t size = 0;
    std::string etag; ///< strong, from what identifies this content of this file
    std::string_view content_type;
    language lang = language::en;
};

/// The PDFs and pictures beside the CVs. Every look opens the file anew, beneath its folder, so that one
/// dropped in is there at once. Thread-safe.
class media
{
public:
    explicit media(std::string data_folder) : data_folder_(std::move(data_folder)) {}

    /// pdfs/PERSON_LANG.pdf, else the English pdfs/PERSON.pdf or pdfs/PERSON_en.pdf. `person` must be
    /// is_person.
    std::optional<media_file> pdf(std::string_view person, language lang) const;

    /// pics/PERSON with the first of .jpg, .jpeg, .png, .webp that is there.
    std::optional<media_file> picture(std::string_view person) const;

private:
    std::string data_folder_;
};

} // namespace cv

#pragma once
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

/// The vocabulary of CVs: persons, languages, sections, file names. All functions are pure and thread-safe.
namespace cv {

enum class language : unsigned char
{
    en,
    de,
    fa
};

inline constexpr std::size_t language_count = 3;
inline constexpr std::array<std::string_view, language_count> language_names = {"en", "de", "fa"};

inline std::string_view name(language lang)
{
    return language_names[static_cast<std::size_t>(lang)];
}
std::optional<language> language_from(std::string_view text);

inline constexpr std::size_t section_count = 10;
/// Section names as in URLs.
inline constexpr std::array<std::string_view, section_count> section_names = {
    "basics",   "profiles",     "education", "experiences",    "skills",
    "projects", "publications", "languages", "certifications", "references"};

/// The key of a section in a CV file.
inline std::string_view section_key(std::size_t section)
{
    return section_names[section] == "certifications" ? "workshop_and_certifications"
                                                      : section_names[section];
}

/// The section with that URL name or, for certifications, that key; nothing when there is none.
std::optional<std::size_t> section_from(std::string_view url_name);
/// The section with that key in a file.
std::optional<std::size_t> section_from_key(std::string_view key);

inline constexpr std::string_view full_cv = "Full CV"; ///< the focus that stands for everything

/// `[A-Za-z0-9_]{1,50}`
bool is_person(std::string_view text);

/// Whose CV a file holds.
struct file_identity
{
    std::string person;
    language lang = language::en;
    bool suffixed = false; ///< PERSON_en.json rather than PERSON.json
};

/// Reads PERSON.json or PERSON_LANG.json; nothing for any other name.
std::optional<file_identity> identify(std::string_view file_name);

} // namespace cv

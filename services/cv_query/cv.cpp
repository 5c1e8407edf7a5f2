#include "cv_query/cv.hpp"

#include <algorithm>

namespace cv {
namespace {

template <class Names>
std::optional<std::size_t> index_of(const Names& names, std::string_view text)
{
    const auto found = std::find(names.begin(), names.end(), text);
    if (found == names.end())
        return std::nullopt;
    return static_cast<std::size_t>(found - names.begin());
}

constexpr std::size_t suffix_size = 3; ///< of `_de`

std::optional<language> language_suffix(std::string_view stem)
{
    if (stem.size() < suffix_size || stem[stem.size() - suffix_size] != '_')
        return std::nullopt;
    return language_from(stem.substr(stem.size() - suffix_size + 1));
}

} // namespace

std::optional<language> language_from(std::string_view text)
{
    const auto index = index_of(language_names, text);
    return index ? std::optional(static_cast<language>(*index)) : std::nullopt;
}

std::optional<std::size_t> section_from(std::string_view url_name)
{
    const auto section = index_of(section_names, url_name);
    return section ? section : section_from_key(url_name);
}

std::optional<std::size_t> section_from_key(std::string_view key)
{
    for (std::size_t i = 0; i < section_count; ++i)
        if (section_key(i) == key)
            return i;
    return std::nullopt;
}

bool is_person(std::string_view text)
{
    return !text.empty() && text.size() <= 50 && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    });
}

std::optional<file_identity> identify(std::string_view file_name)
{
    constexpr std::string_view extension = ".json";
    if (!file_name.ends_with(extension))
        return std::nullopt;
    auto stem = file_name.substr(0, file_name.size() - extension.size());
    file_identity identity;
    if (const auto lang = language_suffix(stem)) {
        stem.remove_suffix(suffix_size);
        identity.lang = *lang;
        identity.suffixed = true;
    }
    if (!is_person(stem) || language_suffix(stem))
        return std::nullopt;
    identity.person = stem;
    return identity;
}

} // namespace cv

#pragma once
#include "cv_query/cv.hpp"
#include "cv_query/document.hpp"

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

/// How a compiled CV lies in the catalogue: one flat record that is served from the map without copying.
namespace cv {

/// Content codings in the order of preference at equal weight (RFC 9110 section 8.4.1).
enum class stored_coding : std::uint32_t
{
    br,
    gzip
};
inline constexpr std::size_t stored_coding_count = 2;

/// Raise it whenever records change, in layout or content: catalogues of another version are compiled anew,
/// and entity tags change with it.
inline constexpr std::uint32_t record_version = 2;

/// Bytes; smaller bodies stay as they are where a client lets them (docs/api.md).
inline constexpr std::size_t smallest_coded = 1024;

/// Compressed copies to put into a record; an empty one is left out.
struct record_codings
{
    std::array<std::string, stored_coding_count> whole;
    std::array<std::array<std::string, stored_coding_count>, section_count> sections;
};

/// Lays out a record. `tag` is the entity tag's part that stands for the content (32 hexadecimal digits).
std::string encode_record(const compiled_document& document, std::string_view tag,
                          const record_codings& codings);

/// A CV in the catalogue. It refers to the record's bytes, which must outlive it. Cheap to copy; thread-safe.
class document_view
{
public:
    document_view() = default;
    explicit document_view(std::string_view record);

    std::string_view tag() const { return {header_.tag, sizeof header_.tag}; }
    /// The whole CV.
    std::string_view text() const { return at(header_.text_begin, header_.text_size); }
    /// `"key":value` of a section as it stands in the text; empty when the CV has no such section.
    std::string_view section(std::size_t section) const;
    /// The prepared copy of the whole CV, or of a section's body; empty when none is stored.
    std::string_view coded(stored_coding coding) const;
    std::string_view coded(std::size_t section, stored_coding coding) const;

    /// Appends to `out` what `focus` leaves of the whole CV (rules in docs/cv-format.md).
    void focus(std::string_view focus, std::string& out) const;
    /// The same for a section's `"key":value`.
    void focus(std::size_t section, std::string_view focus, std::string& out) const;

private:
    friend std::string encode_record(const compiled_document&, std::string_view, const record_codings&);

    struct range
    {
        std::uint32_t begin = 0;
        std::uint32_t size = 0;
    };

    struct header
    {
        std::uint32_t text_begin = 0;
        std::uint32_t text_size = 0;
        std::uint32_t nodes = 0; ///< offsets from the record's start
        std::uint32_t tags = 0;
        std::uint32_t tag_names = 0; ///< of `range`s
        std::uint32_t tag_name_count = 0;
        char tag[32] = {};
        range whole[stored_coding_count];
        section_slice sections[section_count];
        range coded_sections[section_count][stored_coding_count];
    };

    std::string_view at(std::uint32_t begin, std::uint32_t size) const { return record_.substr(begin, size); }

    /// Reads the `index`th item of an array at `begin`: the map does not promise alignment.
    template <class Item>
    Item item(std::uint32_t begin, std::uint32_t index) const
    {
        Item value{};
        std::memcpy(&value, record_.data() + begin + std::size_t{index} * sizeof(Item), sizeof(Item));
        return value;
    }

    class filter;

    header header_;
    std::string_view record_;
};

} // namespace cv

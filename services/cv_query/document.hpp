#pragma once
#include "cv_query/cv.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cv {

/// What is wrong with a CV, and where.
struct document_error
{
    std::size_t line = 0; ///< from 1; 0 when the fault is not at a place
    std::size_t column = 0;
    std::string pointer; ///< JSON pointer (RFC 6901); "" is the whole document
    std::string reason;
};

/// `FILE:LINE:COLUMN: at POINTER: REASON`
std::string to_string(const document_error& error, std::string_view file_name);

/// A container that a focus may change: it carries a `type_key` list, or holds such a one at some depth, or
/// is the root. Containers without are copied whole with their parent. Stored in the catalogue as it is here.
struct focus_node
{
    enum : std::uint32_t
    {
        tagged = 1,
        section = 2,
        root = 4
    };

    std::uint32_t begin = 0; ///< offset in the text: of the key for a member, else of the value
    std::uint32_t value = 0; ///< offset of its `{` or `[`
    std::uint32_t end = 0;   ///< offset behind its `}` or `]`
    std::uint32_t next = 0;  ///< index of the first node behind its subtree
    std::uint32_t flags = 0;
    std::uint32_t others = 0;     ///< children that are no nodes and yet keep an untagged group alive
    std::uint32_t tags_begin = 0; ///< its range in compiled_document::tags
    std::uint32_t tags_end = 0;
};

inline constexpr std::uint32_t no_node = 0xffffffff;

/// A section's place in the text.
struct section_slice
{
    std::uint32_t begin = 0; ///< of its key
    std::uint32_t end = 0;   ///< 0: the CV has no such section
    std::uint32_t node = no_node;
};

/// A CV, checked and ready to serve: its own spelling without insignificant white space.
struct compiled_document
{
    std::string text;
    std::array<section_slice, section_count> sections;
    std::vector<focus_node> nodes;      ///< in the order of the text, parents first
    std::vector<std::uint32_t> tags;    ///< indices in `tag_names`
    std::vector<std::string> tag_names; ///< distinct `type_key` strings, decoded
};

inline constexpr std::size_t largest_document = 16 * 1024 * 1024; ///< bytes
inline constexpr std::size_t deepest_document = 32; ///< nested containers; the root is the first

/// Checks `source`, the bytes of a CV file, and compiles it into `out`; the first fault when there is one.
/// What is checked stands in docs/cv-format.md. Pure and thread-safe.
std::optional<document_error> compile_document(std::string_view source, compiled_document& out);

} // namespace cv

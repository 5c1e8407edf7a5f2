// Arbitrary text as path, query and as the values of the fields that are read.
#include "base/text.hpp"
#include "http/coding.hpp"
#include "http/conditional.hpp"
#include "http/host.hpp"
#include "http/target.hpp"
#include "require.hpp"

#include <algorithm>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace cv::http;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    std::string buffer;

    const bool printable = std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
    if (printable && text.starts_with('/')) {
        path_segments path;
        if (split_path(text, path, buffer) == path_fault::none) {
            require(path.count <= most_segments);
            for (std::size_t i = 0; i < path.count; ++i) {
                const auto segment = path.text[i];
                require(!segment.empty() && segment != "." && segment != "..");
                require(segment.find_first_of("/\\") == segment.npos && cv::is_utf8(segment));
                require(!cv::has_control_character(segment));
            }
        }
    }

    std::array<parameter, 2> parameters{{{"lang"}, {"focus"}}};
    if (read_parameters(text, parameters, buffer))
        for (const auto& one : parameters)
            require(cv::is_utf8(one.value) && (one.count > 0 || one.value.empty()));

    coding_weights weights;
    weights.add(text);
    if (!weights.choose())
        require(!weights.accepts_identity());

    require(!matches(text, "\"no such tag\"") || text.find("no such tag") != text.npos ||
            text.find('*') != text.npos);

    constexpr std::uint64_t length = 1000;
    byte_range range;
    if (read_range(text, length, range) == range_answer::partial)
        require(range.size > 0 && range.begin < length && range.size <= length - range.begin);

    if (const auto host = split_host(text))
        require(!host->name.empty() && host->name.find_first_of("/@ ") == host->name.npos);
    return 0;
}

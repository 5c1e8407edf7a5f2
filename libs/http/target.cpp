#include "http/target.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace cv::http {

path_fault split_path(std::string_view path, path_segments& out, std::string& buffer)
{
    out = {};
    buffer.clear();
    buffer.reserve(path.size()); // decoding never lengthens, so views into it stay
    path.remove_prefix(1);
    auto fault = path_fault::none;
    while (!path.empty()) {
        const auto slash = path.find('/');
        auto segment = path.substr(0, slash);
        out.trailing_slash = slash != path.npos;
        path.remove_prefix(slash == path.npos ? path.size() : slash + 1);
        if (segment.find('%') != segment.npos) {
            const auto begin = buffer.size();
            if (!percent_decode(segment, false, buffer))
                return path_fault::malformed;
            segment = std::string_view(buffer).substr(begin);
            if (!is_utf8(segment))
                return path_fault::malformed;
            if (segment.find('/') != segment.npos || has_control_character(segment))
                return path_fault::trick;
        }
        if (segment == "." || segment == ".." || segment.find('\\') != segment.npos)
            return path_fault::trick;
        if (segment.empty() || out.count == most_segments)
            fault = path_fault::no_route;
        else
            out.text[out.count++] = segment;
    }
    out.trailing_slash = out.trailing_slash || out.count == 0;
    return fault;
}

bool read_parameters(std::string_view query, std::span<parameter> wanted, std::string& buffer)
{
    buffer.clear();
    buffer.reserve(query.size());
    const auto decode = [&buffer](std::string_view text, std::string_view& decoded) {
        const auto begin = buffer.size();
        if (!percent_decode(text, true, buffer))
            return false;
        decoded = std::string_view(buffer).substr(begin);
        return is_utf8(decoded);
    };
    while (!query.empty()) {
        const auto end = query.find('&');
        const auto pair = query.substr(0, end);
        query.remove_prefix(end == query.npos ? query.size() : end + 1);
        const auto equals = pair.find('=');
        std::string_view name;
        std::string_view value;
        if (!decode(pair.substr(0, equals), name) ||
            !decode(equals == pair.npos ? std::string_view() : pair.substr(equals + 1), value))
            return false;
        const auto found =
            std::find_if(wanted.begin(), wanted.end(), [name](const parameter& p) { return p.name == name; });
        if (found != wanted.end() && found->count++ == 0)
            found->value = value;
    }
    return true;
}

} // namespace cv::http

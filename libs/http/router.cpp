#include "http/router.hpp"

#include "base/text.hpp"

namespace cv::http {

router::router(std::vector<route> table) : table_(std::move(table))
{
    for (const auto& row : table_) {
        shape form;
        for (const auto segment : split_list(row.pattern, '/'))
            form.segments.push_back(segment.starts_with('{') ? std::string_view() : segment);
        form.trailing_slash = row.pattern.ends_with('/');
        shapes_.push_back(std::move(form));
    }
}

router::match router::find(const path_segments& path,
                           std::array<std::string_view, most_parameters>& parameters) const
{
    for (std::size_t i = 0; i < shapes_.size(); ++i) {
        const auto& form = shapes_[i];
        // A path with a slash too many is another path; one with a slash too few is the same, said loosely.
        if (form.segments.size() != path.count || (path.trailing_slash && !form.trailing_slash))
            continue;
        std::size_t taken = 0;
        bool same = true;
        for (std::size_t s = 0; s < path.count && same; ++s) {
            if (form.segments[s].empty())
                parameters[taken++] = path.text[s];
            else
                same = form.segments[s] == path.text[s];
        }
        if (same)
            return {&table_[i], i, path.trailing_slash == form.trailing_slash};
    }
    return {nullptr, table_.size(), true};
}

} // namespace cv::http

#pragma once
#include "cv_health/observer.hpp"

#include <string>
#include <string_view>

namespace cv {

/// The status page for people: HTML without script, refreshing itself.
std::string write_page(const observer& seen);

/// The page's style, which stands in it; the policy of the answer allows just this one.
extern const std::string_view page_style;

} // namespace cv

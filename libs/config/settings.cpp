#include "config/settings.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace cv {

std::string flag_of(std::string_view name)
{
    auto flag = "--" + to_lower(name);
    std::replace(flag.begin(), flag.end(), '_', '-');
    return flag;
}

} // namespace cv

#include "http/coding.hpp"

#include "base/text.hpp"

namespace cv::http {
namespace {

/// The weight behind `;` in thousandths (RFC 9110 section 12.4.2); 1000 when there is none, nothing when it
/// is not a weight.
std::optional<int> read_weight(std::string_view parameters)
{
    parameters = trim(parameters);
    if (parameters.empty())
        return 1000;
    if (parameters.size() < 3 || (parameters[0] | 0x20) != 'q' || parameters[1] != '=')
        return std::nullopt;
    const auto value = parameters.substr(2);
    if ((value[0] != '0' && value[0] != '1') || value.size() > 5 || (value.size() > 1 && value[1] != '.'))
        return std::nullopt;
    int weight = value[0] == '1' ? 1000 : 0;
    int unit = 100;
    for (const char c : value.size() > 2 ? value.substr(2) : std::string_view()) {
        if (c < '0' || c > '9')
            return std::nullopt;
        weight += (c - '0') * unit;
        unit /= 10;
    }
    return weight <= 1000 ? std::optional(weight) : std::nullopt;
}

} // namespace

std::string_view name(coding value)
{
    return value == coding::br ? "br" : value == coding::gzip ? "gzip" : "identity";
}

void coding_weights::add(std::string_view accept_encoding)
{
    while (!accept_encoding.empty()) {
        const auto comma = accept_encoding.find(',');
        const auto element = accept_encoding.substr(0, comma);
        accept_encoding.remove_prefix(comma == accept_encoding.npos ? accept_encoding.size() : comma + 1);
        const auto semicolon = element.find(';');
        const auto coding = trim(element.substr(0, semicolon));
        const auto weight =
            read_weight(semicolon == element.npos ? std::string_view() : element.substr(semicolon + 1));
        if (!weight)
            continue;
        if (coding == "*")
            any_ = *weight;
        else if (iequals(coding, "br"))
            br_ = *weight;
        else if (iequals(coding, "gzip") || iequals(coding, "x-gzip"))
            gzip_ = *weight;
        else if (iequals(coding, "identity"))
            identity_ = *weight;
    }
}

int coding_weights::identity() const
{
    if (identity_ >= 0)
        return identity_;
    // Acceptable unless refused, but whoever names a coding prefers that one.
    return any_ == 0 ? 0 : 1;
}

std::optional<coding> coding_weights::choose(bool coded) const
{
    const int br = coded ? weight(br_) : 0;
    const int gzip = coded ? weight(gzip_) : 0;
    const int plain = identity();
    if (br > 0 && br >= gzip && br >= plain)
        return coding::br;
    if (gzip > 0 && gzip >= plain)
        return coding::gzip;
    if (plain > 0)
        return coding::identity;
    return std::nullopt;
}

} // namespace cv::http

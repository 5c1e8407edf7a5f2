#include "health/prometheus.hpp"

#include "base/text.hpp"

#include <charconv>
#include <cmath>

namespace cv::health {
namespace {

void append_escaped(std::string& out, std::string_view text)
{
    for (const char c : text) {
        if (c == '\\' || c == '"')
            out += '\\';
        if (c == '\n')
            out += "\\n";
        else
            out += c;
    }
}

/// The weight of a media range (RFC 9110 section 12.4.2); 0 for one that cannot be read.
double weight_of(std::string_view range)
{
    for (const auto part : split_list(range, ';')) {
        double weight = 0;
        if (part.size() > 2 && (part[0] == 'q' || part[0] == 'Q') && part[1] == '=')
            return std::from_chars(part.data() + 2, part.data() + part.size(), weight).ec == std::errc()
                       ? weight
                       : 0;
    }
    return 1;
}

} // namespace

std::string metric_number(double value)
{
    if (std::isinf(value))
        return value > 0 ? "+Inf" : "-Inf";
    // As the common clients do, for the same bound to have the same name everywhere.
    constexpr double least_fixed = 1e-4;
    constexpr double most_fixed = 1e16;
    const auto size = std::abs(value);
    const auto style = value == 0 || (size >= least_fixed && size < most_fixed)
                           ? std::chars_format::fixed
                           : std::chars_format::scientific;
    char digits[64];
    const auto end = std::to_chars(digits, digits + sizeof digits, value, style).ptr;
    std::string text(digits, end);
    if (text.find_first_of(".en") == text.npos)
        text += ".0";
    return text;
}

void metrics_text::begin(std::string_view name, std::string_view type, std::string_view help,
                         std::string_view suffix)
{
    name_ = std::string(name) + std::string(suffix);
    const std::string family = form_ == form::openmetrics ? std::string(name) : name_;
    text_ += "# HELP " + family + " ";
    append_escaped(text_, help);
    text_ += "\n# TYPE " + family + " " + std::string(type) + "\n";
}

void metrics_text::sample(double value, labels with, std::string_view suffix)
{
    text_ += name_;
    text_ += suffix;
    char separator = '{';
    for (const auto& [label, content] : with) {
        text_ += separator;
        text_ += label;
        text_ += "=\"";
        append_escaped(text_, content);
        text_ += '"';
        separator = ',';
    }
    if (separator == ',')
        text_ += '}';
    text_ += ' ';
    text_ += metric_number(value);
    text_ += '\n';
}

std::string metrics_text::take()
{
    if (form_ == form::openmetrics)
        text_ += "# EOF\n";
    return std::move(text_);
}

metrics_text::form metrics_text::preferred(std::string_view accept)
{
    double open = 0;
    double plain = 0;
    for (const auto range : split_list(accept)) {
        const auto type = to_lower(trim(range.substr(0, range.find(';'))));
        if (type == "application/openmetrics-text")
            open = std::max(open, weight_of(range));
        else if (type == "text/plain" || type == "text/*" || type == "*/*")
            plain = std::max(plain, weight_of(range));
    }
    return open > 0 && open >= plain ? form::openmetrics : form::prometheus;
}

std::string_view metrics_text::content_type(form which)
{
    return which == form::openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                      : "text/plain; version=0.0.4; charset=utf-8";
}

} // namespace cv::health

#pragma once
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace cv::health {

/// Metrics in one of the forms that Prometheus reads: its own text format 0.0.4, or OpenMetrics 1.0.
class metrics_text
{
public:
    enum class form
    {
        prometheus,
        openmetrics
    };
    using labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

    explicit metrics_text(form which) : form_(which) {}

    /// Begins a family; its samples follow. A counter's name is given without `_total`.
    void counter(std::string_view name, std::string_view help) { begin(name, "counter", help, "_total"); }
    void gauge(std::string_view name, std::string_view help) { begin(name, "gauge", help, ""); }
    void histogram(std::string_view name, std::string_view help) { begin(name, "histogram", help, ""); }

    /// A sample of the family that was begun last. `suffix`: `_bucket`, `_sum` and `_count` of a histogram.
    void sample(double value, labels with = {}, std::string_view suffix = {});

    /// The whole of it; to be called once.
    std::string take();

    /// The form that a client prefers by its Accept field.
    static form preferred(std::string_view accept);
    static std::string_view content_type(form which);

private:
    void begin(std::string_view name, std::string_view type, std::string_view help, std::string_view suffix);

    form form_;
    std::string text_;
    std::string name_;
};

/// A number as both forms write it: 1.0, 0.25, 1e-05, +Inf.
std::string metric_number(double value);

} // namespace cv::health

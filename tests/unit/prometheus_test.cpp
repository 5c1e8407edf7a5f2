#include "health/prometheus.hpp"

#include <catch2/catch.hpp>
#include <limits>

using cv::health::metric_number;
using cv::health::metrics_text;
using form = metrics_text::form;

TEST_CASE("the form that Accept prefers")
{
    CHECK(metrics_text::preferred("") == form::prometheus);
    CHECK(metrics_text::preferred("*/*") == form::prometheus);
    CHECK(metrics_text::preferred("text/plain;version=0.0.4") == form::prometheus);
    CHECK(metrics_text::preferred("application/openmetrics-text;version=1.0.0,text/plain;q=0.5,*/*;q=0.1") ==
          form::openmetrics);
    CHECK(metrics_text::preferred("application/openmetrics-text;q=0.3, text/plain") == form::prometheus);
    CHECK(metrics_text::preferred("application/openmetrics-text;q=0") == form::prometheus);
    CHECK(metrics_text::preferred("application/openmetrics-text;q=x, */*;q=0.1") == form::prometheus);
}

TEST_CASE("numbers as both forms write them")
{
    CHECK(metric_number(1) == "1.0");
    CHECK(metric_number(0.25) == "0.25");
    CHECK(metric_number(1e-05) == "1e-05");
    CHECK(metric_number(std::numeric_limits<double>::infinity()) == "+Inf");
}

TEST_CASE("a family in either form")
{
    const auto write = [](form which) {
        metrics_text out(which);
        out.counter("cv_things", "Things with a \\ and\na line.");
        out.sample(3, {{"name", "a \"b\" \\ \n"}, {"other", ""}});
        return out.take();
    };
    CHECK(write(form::prometheus) == "# HELP cv_things_total Things with a \\\\ and\\na line.\n"
                                     "# TYPE cv_things_total counter\n"
                                     "cv_things_total{name=\"a \\\"b\\\" \\\\ \\n\",other=\"\"} 3.0\n");
    CHECK(write(form::openmetrics) == "# HELP cv_things Things with a \\\\ and\\na line.\n"
                                      "# TYPE cv_things counter\n"
                                      "cv_things_total{name=\"a \\\"b\\\" \\\\ \\n\",other=\"\"} 3.0\n"
                                      "# EOF\n");
}

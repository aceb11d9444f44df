#include "server/metrics/prometheus_text.h"

#include <gtest/gtest.h>

namespace infe::server {
namespace {

constexpr double kBounds[] = {0.5, 1, 2500};

TEST(PrometheusText, SamplesWithAndWithoutLabels) {
  PrometheusText text(0);
  text.Family("infe_x_total", "counter", "What x is.");
  text.Sample("infe_x_total", "", uint64_t{18446744073709551615u});
  text.Sample("infe_x_total", "a=\"1\",b=\"2\"", -3);
  text.Sample("infe_x_total", "", 0.1);
  text.Sample("infe_x_total", "", 12.0);
  EXPECT_EQ(text.Take(),
            "# HELP infe_x_total What x is.\n# TYPE infe_x_total counter\n"
            "infe_x_total 18446744073709551615\ninfe_x_total{a=\"1\",b=\"2\"} -3\n"
            "infe_x_total 0.1\ninfe_x_total 12\n");
}

TEST(PrometheusText, BucketsAreCumulativeAndEndWithInfinity) {
  Histogram histogram(kBounds);
  histogram.Observe(0.5);  // a limit is inclusive
  histogram.Observe(0.75, 2);
  histogram.Observe(9000);
  PrometheusText text(0);
  text.Samples("h", "m=\"x\"", histogram);
  EXPECT_EQ(text.Take(),
            "h_bucket{m=\"x\",le=\"0.5\"} 1\nh_bucket{m=\"x\",le=\"1\"} 3\n"
            "h_bucket{m=\"x\",le=\"2500\"} 3\nh_bucket{m=\"x\",le=\"+Inf\"} 4\n"
            "h_sum{m=\"x\"} 9002\nh_count{m=\"x\"} 4\n");
  PrometheusText bare(0);
  bare.Samples("h", "", Histogram(kBounds));
  EXPECT_TRUE(bare.Take().starts_with("h_bucket{le=\"0.5\"} 0\n"));
}

TEST(PrometheusText, EscapesLabels) {
  EXPECT_EQ(EscapedLabel("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
}

}  // namespace
}  // namespace infe::server

#include "model/rope_table.h"

#include <cmath>

#include <gtest/gtest.h>

namespace infe::model {
namespace {

TEST(RopeTable, SineAndCosineAgreeWithLibm) {
  for (double x : {0.0, 1e-12, 0.1, 0.785398, 0.7853982, 1.0, 1.5707963, 3.14159, 4.0, 6.2831853,
                   100.25, 8191.0, 32767.5, 131071.0, 1048575.75, 16777215.0}) {
    double sine = 0;
    double cosine = 0;
    SinCos(x, &sine, &cosine);
    const double bound = x < 1e6 ? 1e-12 : 1e-8;
    EXPECT_NEAR(sine, std::sin(x), bound) << x;
    EXPECT_NEAR(cosine, std::cos(x), bound) << x;
  }
}

TEST(RopeTable, PowersAgreeWithLibm) {
  for (double base : {1.0, 1.5, 10000.0, 100000.0, 500000.0, 1e6}) {
    for (double exponent = 0; exponent >= -1; exponent -= 1.0 / 64) {
      EXPECT_NEAR(PowerOf(base, exponent) / std::pow(base, exponent), 1, 1e-13)
          << base << " " << exponent;
    }
  }
}

TEST(RopeTable, ScaleAndFactorsDivideTheFrequency) {
  const float factors[] = {1, 2};
  const RopeTable table(10000, 4, 4, factors);
  float cos_sin[4];
  table.Fill(8, cos_sin);
  EXPECT_FLOAT_EQ(cos_sin[0], std::cos(2.0F));
  EXPECT_FLOAT_EQ(cos_sin[2], std::sin(2.0F));
  EXPECT_FLOAT_EQ(cos_sin[1], std::cos(0.01F));
  EXPECT_FLOAT_EQ(cos_sin[3], std::sin(0.01F));
}

}  // namespace
}  // namespace infe::model

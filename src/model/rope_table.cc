#include "model/rope_table.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace infe::model {
namespace {

// pi / 2 in three parts of at most 33 significant bits, so that their products with a quadrant
// number below 2^20 are exact (Cody & Waite 1980).
constexpr double kHalfPi1 = 1.57079632673412561417e+00;
constexpr double kHalfPi2 = 6.07710050630396597660e-11;
constexpr double kHalfPi3 = 2.02226624879595063154e-21;
constexpr double kTwoOverPi = 6.36619772367581382433e-01;
constexpr double kLn2 = 6.93147180559945286227e-01;

// Taylor series on |x| <= pi / 4: the first term left out is below 1e-17.
double SineNear0(double x) {
  const double z = x * x;
  double sum = 0;
  for (int n = 17; n >= 3; n -= 2) sum = (1 + sum) * (-z / (n * (n - 1)));
  return x + x * sum;
}

double CosineNear0(double x) {
  const double z = x * x;
  double sum = 0;
  for (int n = 18; n >= 2; n -= 2) sum = (1 + sum) * (-z / (n * (n - 1)));
  return 1 + sum;
}

// ln(m) for m in [1, 2): 2 artanh((m - 1) / (m + 1)), whose argument is at most 1/3.
double LogOfMantissa(double m) {
  const double t = (m - 1) / (m + 1);
  const double z = t * t;
  double sum = 0;
  for (int n = 35; n >= 1; n -= 2) sum = sum * z + 1.0 / n;
  return 2 * t * sum;
}

// e^x for x in [-ln2, 0].
double ExpNear0(double x) {
  double sum = 1;
  for (int n = 20; n >= 1; --n) sum = 1 + x / n * sum;
  return sum;
}

}  // namespace

void SinCos(double x, double* sine, double* cosine) {
  const double quadrants = std::floor(x * kTwoOverPi + 0.5);
  const double y = ((x - quadrants * kHalfPi1) - quadrants * kHalfPi2) - quadrants * kHalfPi3;
  const double s = SineNear0(y);
  const double c = CosineNear0(y);
  switch (static_cast<int64_t>(quadrants) & 3) {
    case 0:
      *sine = s;
      *cosine = c;
      return;
    case 1:
      *sine = c;
      *cosine = -s;
      return;
    case 2:
      *sine = -s;
      *cosine = -c;
      return;
    default:
      *sine = -c;
      *cosine = s;
      return;
  }
}

double LogOf(double x) {
  int exponent2 = 0;
  const double mantissa = std::frexp(x, &exponent2);  // exact; mantissa in [0.5, 1)
  return (exponent2 - 1) * kLn2 + LogOfMantissa(2 * mantissa);
}

double PowerOf(double base, double exponent) {
  const double x = exponent * LogOf(base);  // <= 0
  const double halvings = std::floor(-x / kLn2);
  return std::ldexp(ExpNear0(x + halvings * kLn2), -static_cast<int>(halvings));
}

RopeTable::RopeTable(float base, float scale, uint32_t dim, std::span<const float> factors)
    : frequencies_(dim / 2) {
  INFE_CHECK(factors.empty() || factors.size() == dim / 2);
  for (uint32_t i = 0; i < dim / 2; ++i) {
    frequencies_[i] = PowerOf(base, -2.0 * i / dim) / scale;
    if (!factors.empty()) frequencies_[i] /= factors[i];
  }
}

RopeTable::RopeTable(const RopeConfig& config, std::span<const float> factors)
    : RopeTable(config.base, config.scale, config.dims, factors) {
  amplitude_ = config.amplitude;
  if (config.yarn.factor != 1) Stretch(config.yarn, config.base);
}

void RopeTable::Stretch(const YarnConfig& yarn, float base) {
  const double dims = 2.0 * static_cast<double>(frequencies_.size());
  // The dimension whose pair turns `turns` times within the original context.
  const auto dimension = [&](double turns) {
    constexpr double kTwoPi = 6.28318530717958647692;
    return dims * LogOf(yarn.original_context / (turns * kTwoPi)) / (2 * LogOf(base));
  };
  const double fast = dimension(yarn.beta_fast);
  const double slow = dimension(yarn.beta_slow);
  const double low = std::clamp(yarn.whole_dims ? std::floor(fast) : fast, 0.0, dims - 1);
  const double high = std::clamp(yarn.whole_dims ? std::ceil(slow) : slow, 0.0, dims - 1);
  for (size_t i = 0; i < frequencies_.size(); ++i) {
    const double stretched =
        std::clamp((static_cast<double>(i) - low) / std::max(0.001, high - low), 0.0, 1.0);
    frequencies_[i] *= stretched / yarn.factor + (1 - stretched);
  }
}

void RopeTable::Fill(uint32_t position, float* cos_sin) const {
  const size_t half = frequencies_.size();
  for (size_t i = 0; i < half; ++i) {
    double sine = 0;
    double cosine = 0;
    SinCos(position * frequencies_[i], &sine, &cosine);
    cos_sin[i] = static_cast<float>(amplitude_ * cosine);
    cos_sin[half + i] = static_cast<float>(amplitude_ * sine);
  }
}

}  // namespace infe::model

// Cosines and sines of rotary positions, the same bits on every host: no libm, whose results differ
// between C libraries and CPUs. Su et al. 2021; frequency factors as in Llama 3.1.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/layer_config.h"

namespace infe::model {

class RopeTable {
 public:
  // All that a config says.
  RopeTable(const RopeConfig& config, std::span<const float> factors);
  // frequency i (of dim / 2) is base^(-2i / dim) / scale / factors[i]; factors may be empty (all
  // 1).
  RopeTable(float base, float scale, uint32_t dim, std::span<const float> factors);

  // cos_sin: [dim / 2] cosines, then [dim / 2] sines of position * frequency.
  void Fill(uint32_t position, float* cos_sin) const;

 private:
  void Stretch(const YarnConfig& yarn, float base);

  std::vector<double> frequencies_;
  double amplitude_ = 1;
};

// Sine and cosine of x >= 0; absolute error below 1e-12 up to 10^6 and below 1e-8 up to 2^24.
void SinCos(double x, double* sine, double* cosine);
// Natural logarithm of a positive x, absolute error below 1e-13 of 1 + |ln x|.
double LogOf(double x);
// base^exponent for base >= 1 and exponent in -1 .. 0, relative error below 1e-14.
double PowerOf(double base, double exponent);

}  // namespace infe::model

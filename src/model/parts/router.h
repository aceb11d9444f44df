// Which experts a row goes to, and how much each weighs. Ties go to the lower expert. Bits depend
// on the row's logits alone: no library's exponential is used.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/table.h"
#include "model/layer_config.h"

namespace infe::model {

struct Choice {
  uint32_t expert = 0;
  float weight = 0;
};

// The config.used experts of one row in ascending order, into choices [used]. logits: [experts].
// bias: [experts], added to what experts are chosen by, not to what they weigh; null for none.
// scores: room for [experts].
void ChooseExperts(const MoeFfnConfig& config, const kernels::KernelTable& kernels,
                   const float* logits, const float* bias, std::span<float> scores,
                   std::span<Choice> choices);

// 1 / (1 + e^-x).
float Sigmoid(const kernels::KernelTable& kernels, float x);

}  // namespace infe::model

// The sampling fields that a model's authors may have an opinion on, each given or not. A request,
// an entry of the model registry and a model file have one each; they are laid over one another in
// this order, and what none of them gives is the API's default.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace infe {

struct PartialSampling {
  std::optional<double> temperature = {};         // 0..2; 0 is greedy
  std::optional<double> top_p = {};               // 0..1; 0 keeps only the likeliest token
  std::optional<int64_t> top_k = {};              // >= 0; 0 is off
  std::optional<double> min_p = {};               // 0..1
  std::optional<double> repetition_penalty = {};  // > 0, within a float

  // By the API's name, with the API's range: an error says what would be right.
  Result<void> Set(std::string_view name, double value);
  // These values, and those of `under` where there are none.
  PartialSampling Over(const PartialSampling& under) const;
  // The fields that are given, by the API's names: {"temperature":0.7}.
  Json ToJson() const;
  bool empty() const { return *this == PartialSampling(); }
  bool operator==(const PartialSampling&) const = default;
};

}  // namespace infe

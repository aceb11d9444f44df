#include "base/partial_sampling.h"

#include <cmath>

#include <fmt/format.h>

namespace infe {
namespace {

// The sampler divides by it, as a float.
constexpr double kPenaltyMin = 1e-38;
constexpr double kPenaltyMax = 3e38;
// More than any vocabulary has; exact as a double.
constexpr double kTopKMax = 1e15;

Result<void> Take(std::optional<double>& field, std::string_view name, double value, double low,
                  double high) {
  if (!(value >= low && value <= high))
    return InvalidArgument(fmt::format("{} must be {} to {}", name, low, high));
  field = value;
  return {};
}

}  // namespace

Result<void> PartialSampling::Set(std::string_view name, double value) {
  if (name == "temperature") return Take(temperature, name, value, 0, 2);
  if (name == "top_p") return Take(top_p, name, value, 0, 1);
  if (name == "min_p") return Take(min_p, name, value, 0, 1);
  if (name == "repetition_penalty") {
    if (!(value >= kPenaltyMin && value <= kPenaltyMax))
      return InvalidArgument("repetition_penalty must be above 0");
    repetition_penalty = value;
    return {};
  }
  if (name == "top_k") {
    if (!(value >= 0 && value <= kTopKMax) || value != std::floor(value))
      return InvalidArgument("top_k must be an integer from 0");
    top_k = static_cast<int64_t>(value);
    return {};
  }
  return InvalidArgument(fmt::format(
      "{} has no default of a model; known: temperature, top_p, top_k, min_p, repetition_penalty",
      name));
}

PartialSampling PartialSampling::Over(const PartialSampling& under) const {
  PartialSampling made = *this;
  if (!made.temperature) made.temperature = under.temperature;
  if (!made.top_p) made.top_p = under.top_p;
  if (!made.top_k) made.top_k = under.top_k;
  if (!made.min_p) made.min_p = under.min_p;
  if (!made.repetition_penalty) made.repetition_penalty = under.repetition_penalty;
  return made;
}

Json PartialSampling::ToJson() const {
  Json json = Json::MakeObject();
  if (temperature) json.set("temperature", *temperature);
  if (top_p) json.set("top_p", *top_p);
  if (top_k) json.set("top_k", *top_k);
  if (min_p) json.set("min_p", *min_p);
  if (repetition_penalty) json.set("repetition_penalty", *repetition_penalty);
  return json;
}

}  // namespace infe

#include "model/rope_plan.h"

#include <algorithm>

#include <fmt/format.h>

namespace infe::model {

Result<uint32_t> RopePlan::Table(const RopeConfig& config, TensorPlan& tensors) {
  const auto found = std::find(configs_.begin(), configs_.end(), config);
  const uint32_t index = static_cast<uint32_t>(found - configs_.begin());
  if (found != configs_.end()) return index;
  tensors.Skip(config.other_factors);
  std::vector<float> factors;
  if (!config.factors.empty()) {
    INFE_ASSIGN(factors, tensors.Values(config.factors, config.dims / 2));
    for (const float factor : factors) {
      if (!(factor > 0)) {
        return Corrupt(fmt::format("{} has a factor that is not positive", config.factors));
      }
    }
  }
  configs_.push_back(config);
  tables_.push_back(
      {.table = RopeTable(config, factors), .dims = config.dims, .offset = row_floats_});
  row_floats_ += config.dims;
  return index;
}

}  // namespace infe::model

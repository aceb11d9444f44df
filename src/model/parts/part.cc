#include "model/parts/part.h"

#include <fmt/format.h>

namespace infe::model {

std::string PartPlan::Name(std::string_view tensor) const {
  return fmt::format("blk.{}.{}", layer, tensor);
}

std::string PartPlan::NormName(std::string_view norm) const {
  return fmt::format("blk.{}.{}.weight", layer, norm);
}

Result<float> PartPlan::OutputScale() {
  INFE_ASSIGN(const std::vector<float> scale, tensors.Values(Name("layer_output_scale.weight"), 1));
  return scale[0];
}

}  // namespace infe::model

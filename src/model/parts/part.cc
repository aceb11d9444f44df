#include "model/parts/part.h"

#include <fmt/format.h>

namespace infe::model {

std::string PartPlan::Name(std::string_view tensor) const {
  return fmt::format("blk.{}.{}", layer, tensor);
}

}  // namespace infe::model

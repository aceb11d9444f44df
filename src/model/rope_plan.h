// The rotation tables of a model: layers that turn alike share one.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "model/layer_config.h"
#include "model/rope_table.h"
#include "model/tensor_plan.h"

namespace infe::model {

// A table and where its values of a step lie: at `offset` floats times the rows of the step.
struct PlannedRope {
  RopeTable table;
  uint32_t dims = 0;
  uint32_t offset = 0;
};

class RopePlan {
 public:
  // The index of a table for this config, whose dims are not 0. Its tensor of factors is read now:
  // kCorrupt if it is missing or misshapen, or has a factor that is not positive.
  Result<uint32_t> Table(const RopeConfig& config, TensorPlan& tensors);

  // Floats of one row of a step.
  uint32_t row_floats() const { return row_floats_; }
  std::vector<PlannedRope> Take() { return std::move(tables_); }

 private:
  std::vector<RopeConfig> configs_;
  std::vector<PlannedRope> tables_;
  uint32_t row_floats_ = 0;
};

}  // namespace infe::model

// A dense feed-forward part and experts side by side: the stream gets a norm of the sum of their
// outputs, each normalised before. The dense part runs first; what it puts out waits, normalised,
// until the experts have theirs. Tensors: those of both parts, post_ffw_norm. Gemma Team 2026.
#pragma once

#include <vector>

#include "model/parts/dense_ffn.h"
#include "model/parts/moe_ffn.h"
#include "model/parts/part.h"
#include "model/parts/residual.h"

namespace infe::model {

class TwinFfnPart : public Part {
 public:
  explicit TwinFfnPart(const LayerConfig& layer);

  Result<void> Plan(PartPlan& plan) override;
  std::vector<Phase> phases() const override;

 private:
  void DenseGateUp(Lane& lane, const Step& step) const { dense_.GateUp(lane, step); }
  void DenseDown(Lane& lane, const Step& step) const;
  void Route(Lane& lane, const Step& step) const;
  void LineUp(Lane& lane, const Step& step) const { experts_.LineUp(lane, step); }
  void GateUp(Lane& lane, const Step& step) const { experts_.GateUp(lane, step); }
  void Down(Lane& lane, const Step& step) const;
  void Join(Lane& lane, const Step& step) const;

  const bool output_scale_;
  DenseFfnPart dense_;
  MoeFfnPart experts_;
  StreamAdd add_;
  BufferId waiting_;  // [rows][embedding]: what the dense part put out, normalised
};

}  // namespace infe::model

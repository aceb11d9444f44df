#include "model/parts/embed.h"

namespace infe::model {

Result<void> EmbedPart::Plan(PartPlan& plan) {
  if (plan.config.tied_head) return {};
  return plan.tensors.Rows("token_embd.weight", plan.config.vocabulary, plan.config.embedding,
                           &rows_);
}

std::vector<Phase> EmbedPart::phases() const {
  return {{StepPart::kEmbed, RunPhase<EmbedPart, &EmbedPart::Run>}};
}

void EmbedPart::Run(Lane& lane, const Step& step) const {
  const ModelConfig& config = step.model.config;
  const uint32_t d = config.embedding;
  float* turns = step.scratch.shared.Floats(step.model.residual.rope);
  for (uint32_t r = lane.worker.index(); r < lane.rows; r += lane.worker.count()) {
    const StepRow& row = step.plan.rows[r];
    float* x = lane.x + size_t{r} * d;
    if (rows_.data == nullptr) {
      step.kernels.unpack_row(head_.matrix(), row.token, x);
    } else {
      rows_.Read(row.token, x);
    }
    if (config.embedding_scale != 1) step.kernels.scale(x, config.embedding_scale, d);
    for (const PlannedRope& rope : step.model.ropes) {
      rope.table.Fill(row.position, turns + rope.offset * lane.rows + size_t{r} * rope.dims);
    }
  }
}

}  // namespace infe::model

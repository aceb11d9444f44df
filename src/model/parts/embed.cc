#include "model/parts/embed.h"

namespace infe::model {

Result<void> EmbedPart::Plan(PartPlan& plan) {
  const ModelConfig& config = plan.config;
  TensorPlan& t = plan.tensors;
  if (config.learnt_positions) {
    INFE_TRY(t.Rows("position_embd.weight", config.context_length, config.embedding, &positions_));
  }
  if (config.token_types > 0) {
    INFE_TRY(t.Rows("token_types.weight", config.token_types, config.embedding, &types_));
  }
  own_row_ = plan.scratch.own.Floats("row", config.embedding);
  if (config.tied_head) return {};
  return t.Rows("token_embd.weight", config.vocabulary, config.embedding, &rows_);
}

std::vector<Phase> EmbedPart::phases() const {
  return {{StepPart::kEmbed, RunPhase<EmbedPart, &EmbedPart::Run>}};
}

void EmbedPart::Run(Lane& lane, const Step& step) const {
  const ModelConfig& config = step.model.config;
  const uint32_t d = config.embedding;
  float* own_row = lane.own.Floats(own_row_);
  float* turns = step.scratch.shared.Floats(step.model.residual.rope);
  for (uint32_t r = lane.worker.index(); r < lane.rows; r += lane.worker.count()) {
    const StepRow& row = step.plan.rows[r];
    float* x = lane.x + size_t{r} * d;
    if (rows_.data == nullptr) {
      step.kernels.unpack_row(head_->matrix(), row.token, x);
    } else {
      rows_.Read(row.token, x);
    }
    if (config.embedding_scale != 1) step.kernels.scale(x, config.embedding_scale, d);
    if (types_.data != nullptr) {
      const uint32_t second = step.batch.items[row.item].second_from;
      types_.Read(second > 0 && row.position >= second && config.token_types > 1 ? 1 : 0, own_row);
      step.kernels.add(x, own_row, d);
    }
    if (positions_.data != nullptr) {
      positions_.Read(row.position, own_row);
      step.kernels.add(x, own_row, d);
    }
    for (const PlannedRope& rope : step.model.ropes) {
      rope.table.Fill(row.position, turns + rope.offset * lane.rows + size_t{r} * rope.dims);
    }
  }
}

}  // namespace infe::model

#include "model/parts/twin_ffn.h"

namespace infe::model {
namespace {

const TwinFfnConfig& ConfigOf(const LayerConfig& layer) {
  return std::get<TwinFfnConfig>(layer.feed_forward);
}

// The layer as its two parts see it: what ends it is the twin's.
LayerConfig Inner(const LayerConfig& layer) {
  LayerConfig inner = layer;
  inner.output_scale = false;
  return inner;
}

}  // namespace

TwinFfnPart::TwinFfnPart(const LayerConfig& layer)
    : output_scale_(layer.output_scale),
      dense_(Inner(layer), ConfigOf(layer).dense),
      experts_(Inner(layer), ConfigOf(layer).experts),
      add_{.scale = layer.residual_scale} {}

Result<void> TwinFfnPart::Plan(PartPlan& plan) {
  const uint32_t d = plan.config.embedding;
  INFE_TRY(dense_.Plan(plan));
  INFE_TRY(experts_.Plan(plan));
  INFE_TRY(plan.tensors.Vector(plan.Name("post_ffw_norm.weight"), d, {}, &add_.post_norm));
  if (output_scale_) {
    INFE_ASSIGN(add_.after, plan.OutputScale());
  }
  waiting_ = plan.scratch.shared.Floats("twin", size_t{plan.limits.rows_max} * d);
  return {};
}

std::vector<Phase> TwinFfnPart::phases() const {
  return {{StepPart::kGateUp, RunPhase<TwinFfnPart, &TwinFfnPart::DenseGateUp>},
          {StepPart::kDown, RunPhase<TwinFfnPart, &TwinFfnPart::DenseDown>},
          {StepPart::kGateUp, RunPhase<TwinFfnPart, &TwinFfnPart::Route>},
          {StepPart::kGateUp, RunPhase<TwinFfnPart, &TwinFfnPart::LineUp>},
          {StepPart::kGateUp, RunPhase<TwinFfnPart, &TwinFfnPart::GateUp>},
          {StepPart::kDown, RunPhase<TwinFfnPart, &TwinFfnPart::Down>},
          {StepPart::kDown, RunPhase<TwinFfnPart, &TwinFfnPart::Join>}};
}

// Both parts leave their output in `delta`; that its norm waits for the stream is taken back.
void TwinFfnPart::DenseDown(Lane& lane, const Step& step) const {
  dense_.Down(lane, step);
  lane.post_norm = nullptr;
}

void TwinFfnPart::Route(Lane& lane, const Step& step) const {
  const uint32_t d = step.model.config.embedding;
  const float epsilon = step.model.config.rms_epsilon;
  const float* delta = step.scratch.shared.Floats(step.model.residual.delta);
  float* waiting = step.scratch.shared.Floats(waiting_);
  for (uint32_t r = lane.worker.index(); r < lane.rows; r += lane.worker.count()) {
    const size_t at = size_t{r} * d;
    step.kernels.rms_norm(delta + at, dense_.post_norm(), epsilon, d, waiting + at);
  }
  experts_.Route(lane, step);
}

void TwinFfnPart::Down(Lane& lane, const Step& step) const {
  experts_.Down(lane, step);
  lane.post_norm = nullptr;
}

void TwinFfnPart::Join(Lane& lane, const Step& step) const {
  const uint32_t d = step.model.config.embedding;
  const float epsilon = step.model.config.rms_epsilon;
  float* delta = step.scratch.shared.Floats(step.model.residual.delta);
  const float* waiting = step.scratch.shared.Floats(waiting_);
  for (uint32_t r = lane.worker.index(); r < lane.rows; r += lane.worker.count()) {
    const size_t at = size_t{r} * d;
    step.kernels.rms_norm(delta + at, experts_.post_norm(), epsilon, d, delta + at);
    step.kernels.add(delta + at, waiting + at, d);
  }
  EndAdd(lane, add_);
}

}  // namespace infe::model

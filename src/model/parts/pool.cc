#include "model/parts/pool.h"

#include <algorithm>
#include <cstring>

#include "model/parts/attention.h"
#include "model/parts/product-inl.h"

namespace infe::model {
namespace {

bool IsCausal(const LayerConfig& layer) {
  const auto* attention = std::get_if<AttentionConfig>(&layer.mixer);
  return attention == nullptr || attention->causal;
}

}  // namespace

Result<void> PoolPart::Plan(PartPlan& plan) {
  const ModelConfig& config = plan.config;
  const bool causal = std::all_of(config.layers.begin(), config.layers.end(), IsCausal);
  output_ = causal && config.pooling == Pooling::kLast ? Output::kHidden : Output::kPooled;
  const bool stream_norms = config.layers.back().stream_norms;
  const auto last = static_cast<uint32_t>(config.layers.size() - 1);
  INFE_TRY(PlanNorm(plan, stream_norms ? StreamNormName(last) : std::string(config.output_norm),
                    &norm_));
  size_ = config.embedding;
  hidden_ = plan.scratch.shared.Floats("hidden rows", plan.limits.logits_rows_max * size_);
  plan.float_products = true;  // the normed rows are wanted as floats
  return {};
}

std::vector<Phase> PoolPart::phases() const {
  return {{StepPart::kHead, RunPhase<PoolPart, &PoolPart::Run>}};
}

void PoolPart::Run(Lane& lane, const Step& step) const {
  const float* normed = Normalise(lane, step, norm_).f32;
  const auto items = static_cast<uint32_t>(step.batch.items.size());
  Share(lane, items, [&](uint32_t begin, uint32_t end) {
    uint32_t row = 0;     // of `normed`
    uint32_t result = 0;  // of the items so far
    for (uint32_t i = 0; i < end; ++i) {
      const BatchItem& item = step.batch.items[i];
      const auto tokens = static_cast<uint32_t>(item.tokens.size());
      const bool pooled = item.output == Output::kPooled;
      const uint32_t rows = lane.only_wanted && !pooled ? item.logits_rows : tokens;
      if (i >= begin && item.logits_rows > 0) {
        const float* from = normed + size_t{row} * size_;
        float* out = step.scratch.shared.Floats(hidden_) + result * size_;
        if (pooled) {
          PoolRows(step, from, rows, out);
        } else {
          std::memcpy(out, from + size_t{rows - 1} * size_, size_ * sizeof(float));
        }
      }
      row += rows;
      result += item.logits_rows;
    }
  });
}

// Rows are added in the order of the text, whoever else is in the step.
void PoolPart::PoolRows(const Step& step, const float* rows, uint32_t count, float* out) const {
  const bool last = step.model.config.pooling == Pooling::kLast;
  std::memcpy(out, rows + (last ? size_t{count - 1} * size_ : 0), size_ * sizeof(float));
  if (step.model.config.pooling != Pooling::kMean) return;
  const auto n = static_cast<uint32_t>(size_);
  for (uint32_t r = 1; r < count; ++r) step.kernels.add(out, rows + size_t{r} * size_, n);
  step.kernels.scale(out, 1.0F / static_cast<float>(count), n);
}

}  // namespace infe::model

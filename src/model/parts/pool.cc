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

// The sum of a[i] * b[i], in sixteen sums that are added up in their order. A text has one such
// row, and hundreds of rows that went through the layers: it needs no panels.
float Dot(const float* a, const float* b, uint32_t n) {
  constexpr uint32_t kSums = 16;
  float sums[kSums] = {};
  uint32_t i = 0;
  for (; i + kSums <= n; i += kSums) {
    for (uint32_t s = 0; s < kSums; ++s) sums[s] += a[i + s] * b[i + s];
  }
  for (uint32_t s = 0; i < n; ++i, ++s) sums[s] += a[i] * b[i];
  float sum = 0;
  for (const float part : sums) sum += part;
  return sum;
}

}  // namespace

bool ReadsWholeTexts(const ModelConfig& config) {
  if (config.pooling == Pooling::kNone) return false;
  return config.pooling != Pooling::kLast ||
         !std::all_of(config.layers.begin(), config.layers.end(), IsCausal);
}

Result<void> PoolPart::Plan(PartPlan& plan) {
  const ModelConfig& config = plan.config;
  output_ = ReadsWholeTexts(config) ? Output::kPooled : Output::kHidden;
  const bool stream_norms = config.layers.back().stream_norms;
  const auto last = static_cast<uint32_t>(config.layers.size() - 1);
  INFE_TRY(PlanNorm(plan, stream_norms ? StreamNormName(last) : std::string(config.output_norm),
                    &norm_));
  size_ = config.embedding;
  INFE_TRY(PlanMaps(plan));
  hidden_ = plan.scratch.shared.Floats("hidden rows", plan.limits.logits_rows_max * hidden_size());
  plan.float_products = true;  // the normed rows are wanted as floats
  return {};
}

Result<void> PoolPart::PlanMaps(PartPlan& plan) {
  auto cols = static_cast<uint32_t>(size_);
  size_t widest = size_;
  for (const PoolMap& config : plan.config.pool_maps) {
    Map& map = maps_.emplace_back();
    map = {.rows = config.rows, .cols = cols, .tanh = config.tanh};
    cols = config.rows;
    widest = std::max<size_t>(widest, cols);
  }
  // Where they are stays: the vector does not grow any more.
  for (size_t i = 0; i < maps_.size(); ++i) {
    const PoolMap& config = plan.config.pool_maps[i];
    const std::string name(config.tensor);
    Map& map = maps_[i];
    INFE_TRY(plan.tensors.Grid(name + ".weight", map.cols, map.rows, &map.matrix));
    if (config.bias) INFE_TRY(plan.tensors.Vector(name + ".bias", map.rows, {}, &map.bias));
  }
  own_a_ = plan.scratch.own.Floats("pooled a", maps_.empty() ? 0 : widest);
  own_b_ = plan.scratch.own.Floats("pooled b", maps_.empty() ? 0 : widest);
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
        float* out = step.scratch.shared.Floats(hidden_) + result * hidden_size();
        float* pool = maps_.empty() ? out : lane.own.Floats(own_a_);
        if (pooled) {
          PoolRows(step, from, rows, pool);
        } else {
          std::memcpy(pool, from + size_t{rows - 1} * size_, size_ * sizeof(float));
        }
        if (!maps_.empty()) Finish(lane, step, pool, out);
      }
      row += rows;
      result += item.logits_rows;
    }
  });
}

void PoolPart::Finish(const Lane& lane, const Step& step, const float* row, float* out) const {
  float* const buffers[] = {lane.own.Floats(own_b_), lane.own.Floats(own_a_)};
  for (size_t i = 0; i < maps_.size(); ++i) {
    const Map& map = maps_[i];
    float* to = i + 1 == maps_.size() ? out : buffers[i % 2];
    for (uint32_t r = 0; r < map.rows; ++r) {
      to[r] = Dot(map.matrix + size_t{r} * map.cols, row, map.cols);
      if (map.bias != nullptr) to[r] += map.bias[r];
    }
    if (map.tanh) step.kernels.softcap(to, 1, map.rows);
    row = to;
  }
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

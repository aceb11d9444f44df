#include "model/model.h"

#include <algorithm>
#include <array>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "model/arch/registry.h"
#include "model/forward.h"
#include "model/gguf.h"
#include "model/packed_file.h"
#include "model/scratch.h"
#include "model/step_plan.h"
#include "model/weights.h"

namespace infe::model {
namespace {

// Query rows of one attention unit: enough to use a key tile several times while it is in L1.
constexpr uint32_t kQueryRowsMax = 16;
// Room for the partial sums of long contexts: 16 MiB at most.
constexpr size_t kPartialFloatsMax = size_t{4} << 20;
constexpr uint32_t kUnitsSplitMax = 8;  // per thread
// Of kStateGroupsMax: no family that is known has more, and the rest is for other kinds of state.
constexpr size_t kWindowsMax = 2;

Result<std::vector<KvGroup>> MakeGroups(const ModelConfig& config, size_t tile_bytes) {
  std::vector<KvGroup> groups;
  for (uint32_t layer = 0; layer < config.layers; ++layer) {
    const uint32_t window = config.window_of_layer[layer];
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&](const KvGroup& g) { return g.window == window; });
    if (group == groups.end()) {
      groups.push_back({});
      group = groups.end() - 1;
      group->kind = window > 0 ? StateKind::kWindow : StateKind::kPositions;
      group->window = window;
    }
    group->layers.push_back(layer);
  }
  if (groups.size() > kWindowsMax) return Unsupported("more than two attention windows");
  // Global layers first: the group that every sequence pays for in full.
  std::sort(groups.begin(), groups.end(),
            [](const KvGroup& a, const KvGroup& b) { return a.window < b.window; });
  for (KvGroup& group : groups) {
    group.layer_bytes = config.kv_heads * tile_bytes;
    group.block_bytes = (group.layers.size() * group.layer_bytes + 63) / 64 * 64;
  }
  return groups;
}

class LoadedModel : public Model {
 public:
  LoadedModel(ModelConfig config, Weights weights, std::vector<KvGroup> groups, ThreadPool& pool,
              const kernels::KernelTable& kernels, const LoadOptions& options)
      : config_(std::move(config)),
        weights_(std::move(weights)),
        groups_(std::move(groups)),
        pool_(pool),
        options_(options),
        context_{config_, weights_, kernels, options.kv_type, groups_, {}, {}, {}, {}},
        plan_(options.batch_rows_max, options.logits_rows_max),
        scratch_(config_, kernels, MakeScratchShape(kernels)) {
    FillContext(kernels);
    shape_ = {.heads = config_.heads,
              .kv_heads = config_.kv_heads,
              .query_rows_max = kQueryRowsMax,
              .threads = pool.size(),
              .partial_floats_max = partial_floats_,
              .partial_floats = kernels.attention_partial_floats,
              .head_dim = config_.head_dim};
    if (!weights_.packed_path.empty()) {
      // Failure to write costs the next start some time and nothing else.
      packed_writer_ = std::jthread([this](std::stop_token stop) {
        (void)WritePacked(weights_.packed_path, weights_.packed_digest, weights_.packed.bytes(),
                          std::move(stop));
      });
    }
  }

  const ModelConfig& config() const override { return config_; }
  std::span<const KvGroup> kv_groups() const override { return groups_; }
  size_t weight_bytes() const override {
    return weights_.packed.size() + weights_.embedding_rows.size();
  }

  void Forward(const Batch& batch, const KvView& kv) override {
    plan_.Build(batch, groups_, context_.group_of_layer.back(), shape_);
    INFE_CHECK(!plan_.rows.empty() && plan_.rows.size() <= options_.batch_rows_max);
    INFE_CHECK(plan_.wanted.size() <= options_.logits_rows_max);
    for (const StepRow& row : plan_.rows) {
      INFE_CHECK(row.token < config_.vocabulary && row.position < config_.context_length);
    }
    for (WorkCursor& cursor : cursors_) cursor.Reset();
    const class Forward step(context_, scratch_, plan_, batch, kv, cursors_, times_);
    pool_.Run([&](Worker& worker) { step.Run(worker); });
  }

  void SetPhaseTimes(PhaseTimes* times) override { times_ = times; }

  const float* logits() const override { return scratch_.logits; }
  size_t logits_stride() const override { return scratch_.logits_stride; }
  const LogitSummary* summaries() const override { return scratch_.summaries.data(); }

 private:
  ScratchShape MakeScratchShape(const kernels::KernelTable& kernels) {
    // Distinct (base, scale) pairs become tables.
    for (uint32_t layer = 0; layer < config_.layers; ++layer) {
      const std::pair key(config_.rope_base_of_layer[layer], config_.rope_scale_of_layer[layer]);
      auto found = std::find(rope_keys_.begin(), rope_keys_.end(), key);
      if (found == rope_keys_.end()) found = rope_keys_.insert(rope_keys_.end(), key);
      context_.rope_of_layer.push_back(static_cast<uint32_t>(found - rope_keys_.begin()));
    }
    const uint32_t group = config_.heads / config_.kv_heads;
    const size_t spans = config_.context_length / kernels::kAttentionSpan + 1;
    partial_floats_ =
        std::min(kPartialFloatsMax,
                 (kernels.attention_partial_floats(kQueryRowsMax, group, config_.head_dim) + 16) *
                     spans * kUnitsSplitMax * pool_.size());
    return {.rows_max = options_.batch_rows_max,
            .logits_rows_max = options_.logits_rows_max,
            .threads = pool_.size(),
            .query_rows_max = kQueryRowsMax,
            .rope_tables = static_cast<uint32_t>(rope_keys_.size()),
            .partial_floats = partial_floats_,
            .any_float = weights_.any_float};
  }

  void FillContext(const kernels::KernelTable& kernels) {
    context_.groups = groups_;
    context_.kv_tile_bytes = kernels.kv_tile_bytes(options_.kv_type, config_.head_dim);
    context_.group_of_layer.resize(config_.layers);
    context_.index_in_group.resize(config_.layers);
    for (uint32_t g = 0; g < groups_.size(); ++g) {
      for (uint32_t i = 0; i < groups_[g].layers.size(); ++i) {
        context_.group_of_layer[groups_[g].layers[i]] = g;
        context_.index_in_group[groups_[g].layers[i]] = i;
      }
    }
    for (const auto& [base, scale] : rope_keys_) {
      context_.ropes.emplace_back(base, scale, config_.head_dim, weights_.rope_factors);
    }
  }

  const ModelConfig config_;
  const Weights weights_;
  const std::vector<KvGroup> groups_;
  ThreadPool& pool_;
  const LoadOptions options_;
  std::vector<std::pair<float, float>> rope_keys_;
  size_t partial_floats_ = 0;
  ForwardContext context_;
  AttentionShape shape_;
  StepPlan plan_;
  Scratch scratch_;
  std::array<WorkCursor, kPhases> cursors_;
  PhaseTimes* times_ = nullptr;
  std::jthread packed_writer_;  // last: it reads the weights until it is joined
};

}  // namespace

Result<std::unique_ptr<Model>> Model::Load(const GgufFile& file, ThreadPool& pool,
                                           const kernels::KernelTable& kernels,
                                           const LoadOptions& options) {
  INFE_CHECK(options.batch_rows_max > 0 && options.logits_rows_max > 0);
  INFE_ASSIGN(ModelConfig config, ReadModelConfig(file));
  INFE_ASSIGN(std::vector<KvGroup> groups,
              MakeGroups(config, kernels.kv_tile_bytes(options.kv_type, config.head_dim)));
  INFE_ASSIGN(Weights weights,
              LoadWeights(file, config, pool, kernels, options.packed_cache, options.on_progress));
  return std::unique_ptr<Model>(std::make_unique<LoadedModel>(
      std::move(config), std::move(weights), std::move(groups), pool, kernels, options));
}

}  // namespace infe::model

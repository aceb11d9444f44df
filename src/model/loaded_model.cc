#include "model/loaded_model.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "base/check.h"
#include "model/forward.h"
#include "model/packed_file.h"
#include "model/parts/residual.h"
#include "model/scratch.h"
#include "model/step_plan.h"
#include "model/weights.h"

namespace infe::model {
namespace {

// What the parts asked for.
struct Planned {
  explicit Planned(const GgufFile& file, const kernels::KernelTable& kernels)
      : tensors(file, kernels) {}

  TensorPlan tensors;
  ScratchPlan scratch;
  StatePlan state;
  RopePlan ropes;
  AttentionShapes attention;
  ResidualBuffers residual;
};

// The layers in order, then head and embedding: as the panels lie in memory.
Result<void> PlanParts(const ModelConfig& config, const ModelParts& parts,
                       const kernels::KernelTable& kernels, kernels::KvType kv_type,
                       const StepLimits& limits, Planned& planned) {
  planned.residual = PlanResidual(config, limits, planned.scratch);
  if (config.float_products) planned.tensors.PackFloats();
  bool float_products = false;
  PartPlan plan{.config = config,
                .kernels = kernels,
                .kv_type = kv_type,
                .limits = limits,
                .layer = 0,
                .tensors = planned.tensors,
                .scratch = planned.scratch,
                .state = planned.state,
                .ropes = planned.ropes,
                .attention = planned.attention,
                .residual = planned.residual,
                .float_products = float_products};
  for (const LayerParts& layer : parts.layers) {
    INFE_TRY(layer.mixer->Plan(plan));
    INFE_TRY(layer.feed_forward->Plan(plan));
    if (layer.per_layer != nullptr) INFE_TRY(layer.per_layer->Plan(plan));
    ++plan.layer;
  }
  INFE_TRY(parts.last().Plan(plan));
  INFE_TRY(parts.embed->Plan(plan));
  if (parts.per_layer_inputs != nullptr) INFE_TRY(parts.per_layer_inputs->Plan(plan));
  for (const std::string& prefix : config.skipped) planned.tensors.SkipAll(prefix);
  INFE_TRY(planned.tensors.CheckAllTaken(config.architecture));
  if (float_products) PlanFloatInput(config, limits, planned.scratch);
  planned.scratch.shared.Floats("rope", size_t{limits.rows_max} * planned.ropes.row_floats());
  return {};
}

class LoadedModel : public Model {
 public:
  LoadedModel(ModelConfig config, ModelParts parts, Weights weights, std::vector<StateGroup> groups,
              Planned planned, const StepLimits& limits, ThreadPool& pool,
              const kernels::KernelTable& kernels, kernels::KvType kv_type)
      : config_(std::move(config)),
        parts_(std::move(parts)),
        weights_(std::move(weights)),
        pool_(pool),
        limits_(limits),
        context_{.config = config_,
                 .kernels = kernels,
                 .kv_type = kv_type,
                 .groups = std::move(groups),
                 .ropes = planned.ropes.Take(),
                 .residual = planned.residual},
        schedule_(parts_),
        scratch_(planned.scratch, limits.threads),
        plan_(limits.rows_max, limits.logits_rows_max, std::move(planned.attention.shapes),
              {.query_rows_max = kQueryRowsMax,
               .threads = limits.threads,
               .partial_floats_max = planned.attention.partial_floats,
               .partial_floats = kernels.attention_partial_floats}) {
    if (const auto* last = std::get_if<AttentionConfig>(&config_.layers.back().mixer)) {
      last_shape_ = ShapeOf(*last);
    }
    if (parts_.head != nullptr) {
      std::uninitialized_default_construct_n(
          parts_.head->summaries(scratch_),
          size_t{limits.logits_rows_max} * LogitSpans(config_.vocabulary));
    }
    if (!weights_.packed_path.empty()) {
      // Failure to write costs the next start some time and nothing else.
      packed_writer_ = std::jthread([this](std::stop_token stop) {
        (void)WritePacked(weights_.packed_path, weights_.packed_digest, weights_.packed.bytes(),
                          std::move(stop));
      });
    }
  }

  const ModelConfig& config() const override { return config_; }
  std::span<const StateGroup> kv_groups() const override { return context_.groups; }
  size_t weight_bytes() const override { return weights_.packed.size() + weights_.rows.size(); }

  void Forward(const Batch& batch, const StateView& state) override {
    plan_.Build(batch, context_.groups, last_shape_ ? &*last_shape_ : nullptr);
    INFE_CHECK(!plan_.rows.empty() && plan_.rows.size() <= limits_.rows_max);
    // Rows are moved only where some are dropped.
    INFE_CHECK(plan_.wanted.size() <= limits_.logits_rows_max ||
               plan_.wanted.size() == plan_.rows.size());
    for (const BatchItem& item : batch.items) {
      INFE_CHECK(item.logits_rows == 0 || Gives(item.output));
      INFE_CHECK(parts_.pool == nullptr || item.logits_rows <= 1);
    }
    INFE_CHECK(parts_.pool == nullptr || batch.items.size() <= limits_.logits_rows_max);
    for (const StepRow& row : plan_.rows) {
      INFE_CHECK(row.token < config_.vocabulary && row.position < config_.context_length);
    }
    for (WorkCursor& cursor : cursors_) cursor.Reset();
    const Step step{.model = context_,
                    .kernels = context_.kernels,
                    .plan = plan_,
                    .batch = batch,
                    .state = state,
                    .scratch = scratch_};
    pool_.Run([&](Worker& worker) { schedule_.Run(worker, step, cursors_, times_); });
  }

  void SetPhaseTimes(PhaseTimes* times) override { times_ = times; }

  bool Gives(Output output) const override {
    return output == (parts_.pool == nullptr ? Output::kLogits : parts_.pool->output());
  }
  const float* logits() const override {
    return parts_.head == nullptr ? nullptr : parts_.head->logits(scratch_);
  }
  size_t logits_stride() const override {
    return parts_.head == nullptr ? 0 : parts_.head->logits_stride();
  }
  const LogitSummary* summaries() const override {
    return parts_.head == nullptr ? nullptr : parts_.head->summaries(scratch_);
  }
  const float* hidden() const override {
    return parts_.pool == nullptr ? nullptr : parts_.pool->hidden(scratch_);
  }
  size_t hidden_size() const override {
    return parts_.pool == nullptr ? 0 : parts_.pool->hidden_size();
  }

 private:
  const ModelConfig config_;
  const ModelParts parts_;
  const Weights weights_;
  ThreadPool& pool_;
  const StepLimits limits_;
  const ModelContext context_;
  const Schedule schedule_;
  std::optional<AttentionShape> last_shape_;  // of the last layer, if its mixer is attention
  const Scratch scratch_;
  StepPlan plan_;
  PhaseCursors cursors_;
  PhaseTimes* times_ = nullptr;
  std::jthread packed_writer_;  // last: it reads the weights until it is joined
};

}  // namespace

Result<std::unique_ptr<Model>> LoadParts(const GgufFile& file, ModelConfig config, ModelParts parts,
                                         ThreadPool& pool, const kernels::KernelTable& kernels,
                                         const LoadOptions& options) {
  INFE_CHECK(options.batch_rows_max > 0 && options.logits_rows_max > 0);
  const StepLimits limits{.rows_max = options.batch_rows_max,
                          .logits_rows_max = options.logits_rows_max,
                          .threads = pool.size()};
  Planned planned(file, kernels);
  INFE_TRY(PlanParts(config, parts, kernels, options.kv_type, limits, planned));
  INFE_ASSIGN(std::vector<StateGroup> groups, planned.state.Finish());
  INFE_ASSIGN(Weights weights, LoadWeights(file, planned.tensors, pool, kernels,
                                           options.packed_cache, options.on_progress));
  return std::unique_ptr<Model>(std::make_unique<LoadedModel>(
      std::move(config), std::move(parts), std::move(weights), std::move(groups),
      std::move(planned), limits, pool, kernels, options.kv_type));
}

}  // namespace infe::model

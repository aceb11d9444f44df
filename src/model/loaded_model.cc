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
    for (Part* part :
         {layer.mixer.get(), layer.beside.get(), layer.feed_forward.get(), layer.per_layer.get()}) {
      if (part != nullptr) INFE_TRY(part->Plan(plan));
    }
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

// All that does not change with the steps: what models over the same weights share.
class SharedParts : public ModelWeights, public std::enable_shared_from_this<SharedParts> {
 public:
  SharedParts(ModelConfig config_of, ModelParts parts_of, Weights loaded,
              std::vector<StateGroup> groups, Planned planned, const StepLimits& limits_of,
              ThreadPool& pool_of, const kernels::KernelTable& kernels, kernels::KvType kv_type)
      : config(std::move(config_of)),
        parts(std::move(parts_of)),
        weights(std::move(loaded)),
        pool(pool_of),
        limits(limits_of),
        context{.config = config,
                .kernels = kernels,
                .kv_type = kv_type,
                .groups = std::move(groups),
                .ropes = planned.ropes.Take(),
                .residual = planned.residual},
        schedule(parts),
        scratch(std::move(planned.scratch)),
        attention(std::move(planned.attention)) {
    const auto mixes = [](const LayerConfig& layer) {
      return !std::holds_alternative<std::monostate>(layer.mixer);
    };
    const auto layer = std::find_if(config.layers.rbegin(), config.layers.rend(), mixes);
    INFE_CHECK(layer != config.layers.rend());
    if (const auto* last = std::get_if<AttentionConfig>(&layer->mixer)) {
      last_shape = ShapeOf(*last);
    }
    if (!weights.packed_path.empty()) {
      // Failure to write costs the next start some time and nothing else.
      packed_writer_ = std::jthread([this](std::stop_token stop) {
        (void)WritePacked(weights.packed_path, weights.packed_digest, weights.packed.bytes(),
                          std::move(stop));
      });
    }
  }

  std::unique_ptr<Model> NewModel() const override;

  const ModelConfig config;
  const ModelParts parts;
  const Weights weights;
  ThreadPool& pool;
  const StepLimits limits;
  const ModelContext context;
  const Schedule schedule;
  const ScratchPlan scratch;
  const AttentionShapes attention;
  std::optional<AttentionShape> last_shape;  // of the last mixer, if it is attention

 private:
  std::jthread packed_writer_;  // last: it reads the weights until it is joined
};

class LoadedModel : public Model {
 public:
  explicit LoadedModel(std::shared_ptr<const SharedParts> shared)
      : shared_(std::move(shared)),
        scratch_(shared_->scratch, shared_->limits.threads),
        plan_(shared_->limits.rows_max, shared_->limits.logits_rows_max, shared_->attention.shapes,
              {.query_rows_max = kQueryRowsMax,
               .threads = shared_->limits.threads,
               .partial_floats_max = shared_->attention.partial_floats,
               .partial_floats = shared_->context.kernels.attention_partial_floats}) {
    if (parts().head != nullptr) {
      std::uninitialized_default_construct_n(
          parts().head->summaries(scratch_),
          size_t{shared_->limits.logits_rows_max} * LogitSpans(config().vocabulary));
    }
  }

  const ModelConfig& config() const override { return shared_->config; }
  std::span<const StateGroup> kv_groups() const override { return shared_->context.groups; }
  const kernels::KernelTable& kernel_table() const override { return shared_->context.kernels; }
  size_t weight_bytes() const override {
    return shared_->weights.packed.size() + shared_->weights.rows.size() +
           shared_->weights.floats.size() * sizeof(float);
  }
  std::shared_ptr<const ModelWeights> weights() const override { return shared_; }

  void Forward(const Batch& batch, const StateView& state) override {
    const StepLimits& limits = shared_->limits;
    plan_.Build(batch, kv_groups(), shared_->last_shape ? &*shared_->last_shape : nullptr);
    INFE_CHECK(!plan_.rows.empty() && plan_.rows.size() <= limits.rows_max);
    // Rows are moved only where some are dropped.
    INFE_CHECK(plan_.wanted.size() <= limits.logits_rows_max ||
               plan_.wanted.size() == plan_.rows.size());
    for (const BatchItem& item : batch.items) {
      INFE_CHECK(item.logits_rows == 0 || Gives(item.output));
      INFE_CHECK(parts().pool == nullptr || item.logits_rows <= 1);
    }
    INFE_CHECK(parts().pool == nullptr || batch.items.size() <= limits.logits_rows_max);
    for (const StepRow& row : plan_.rows) {
      INFE_CHECK(row.token < config().vocabulary && row.position < config().context_length);
    }
    for (WorkCursor& cursor : cursors_) cursor.Reset();
    const Step step{.model = shared_->context,
                    .kernels = shared_->context.kernels,
                    .plan = plan_,
                    .batch = batch,
                    .state = state,
                    .scratch = scratch_};
    shared_->pool.Run(
        [&](Worker& worker) { shared_->schedule.Run(worker, step, cursors_, times_); });
  }

  void SetPhaseTimes(PhaseTimes* times) override { times_ = times; }

  bool Gives(Output output) const override {
    return output == (parts().pool == nullptr ? Output::kLogits : parts().pool->output());
  }
  const float* logits() const override {
    return parts().head == nullptr ? nullptr : parts().head->logits(scratch_);
  }
  size_t logits_stride() const override {
    return parts().head == nullptr ? 0 : parts().head->logits_stride();
  }
  const LogitSummary* summaries() const override {
    return parts().head == nullptr ? nullptr : parts().head->summaries(scratch_);
  }
  const float* hidden() const override {
    return parts().pool == nullptr ? nullptr : parts().pool->hidden(scratch_);
  }
  size_t hidden_size() const override {
    return parts().pool == nullptr ? 0 : parts().pool->hidden_size();
  }

 private:
  const ModelParts& parts() const { return shared_->parts; }

  const std::shared_ptr<const SharedParts> shared_;  // with other models over the same weights
  const Scratch scratch_;
  StepPlan plan_;
  PhaseCursors cursors_;
  PhaseTimes* times_ = nullptr;
};

std::unique_ptr<Model> SharedParts::NewModel() const {
  return std::make_unique<LoadedModel>(shared_from_this());
}

StepLimits LimitsOf(const LoadOptions& options, uint32_t threads) {
  INFE_CHECK(options.batch_rows_max > 0 && options.logits_rows_max > 0);
  return {.rows_max = options.batch_rows_max,
          .logits_rows_max = options.logits_rows_max,
          .threads = threads};
}

}  // namespace

Result<std::unique_ptr<Model>> LoadParts(const GgufFile& file, ModelConfig config, ModelParts parts,
                                         ThreadPool& pool, const kernels::KernelTable& kernels,
                                         const LoadOptions& options) {
  const StepLimits limits = LimitsOf(options, pool.size());
  Planned planned(file, kernels);
  INFE_TRY(PlanParts(config, parts, kernels, options.kv_type, limits, planned));
  INFE_ASSIGN(std::vector<StateGroup> groups, planned.state.Finish());
  INFE_ASSIGN(Weights weights, LoadWeights(file, planned.tensors, pool, kernels,
                                           options.packed_cache, options.on_progress));
  return std::make_shared<const SharedParts>(
             std::move(config), std::move(parts), std::move(weights), std::move(groups),
             std::move(planned), limits, pool, kernels, options.kv_type)
      ->NewModel();
}

Result<ModelNeeds> NeedsOfParts(const GgufFile& file, const ModelConfig& config,
                                const ModelParts& parts, uint32_t threads,
                                const kernels::KernelTable& kernels, const LoadOptions& options) {
  Planned planned(file, kernels);
  INFE_TRY(PlanParts(config, parts, kernels, options.kv_type, LimitsOf(options, threads), planned));
  ModelNeeds needs;
  INFE_ASSIGN(needs.groups, planned.state.Finish());
  needs.weight_bytes = planned.tensors.bytes();
  needs.step_bytes = planned.scratch.shared.total() + threads * planned.scratch.own.total();
  return needs;
}

}  // namespace infe::model

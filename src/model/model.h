// One loaded model: weights packed for this CPU, and Forward over any mix of prefill chunks and
// decode rows of many sequences. Immutable after Load but for its scratch: one thread at a time
// calls Forward (the engine's), which spreads the work over the pool.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "kernels/table.h"
#include "model/kv_view.h"  // the older names, for those who include us
#include "model/logit_summary.h"
#include "model/model_config.h"
#include "model/packed_file.h"
#include "model/phase_times.h"

namespace infe::model {

using TokenId = uint32_t;

// What is wanted of the last tokens of an item.
enum class Output : uint8_t {
  kLogits,
  kHidden,  // one row of what the model makes of the last token in place of logits
  kPooled,  // one row for the item, by the model's pooling over all its tokens: they are the whole
            // text
};

// Consecutive tokens of one sequence in this step: a prefill chunk, or one decode row, or a draft
// to verify. Their KV is written by Forward; all earlier positions of the sequence have been
// written.
struct BatchItem {
  std::span<const TokenId> tokens;  // not empty
  uint32_t position = 0;            // absolute position of tokens[0]
  // The block tables of state.h, one per group. Of positions and windows: covers position +
  // tokens.size() positions. Of a running state: {from, to}.
  std::span<const uint32_t> blocks[kStateGroupsMax];
  Output output = Output::kLogits;
  // That is wanted for the last so many tokens (0: for none). kPooled: 1.
  uint32_t logits_rows = 0;
  // Where the second text of a pair begins: from there on, tokens are of the second type. 0: there
  // is none.
  uint32_t second_from = 0;
  // If not empty, only these vocabulary rows of the head need computing for every wanted row of
  // this item; the others get -infinity. The bits of a computed row never depend on this.
  std::span<const TokenId> head_rows;
  // Not negative: the wanted rows are going to be sampled at this 1 / temperature (0: greedily),
  // and their summaries are wanted. Not together with head_rows.
  float inverse_temperature = -1;
  // Of each wanted row, which tokens may follow (bit i: token i): the others count nothing in its
  // summaries, while the logits stay as they are. Runs that the words do not cover are left out.
  // Empty: all may.
  std::span<const std::span<const uint64_t>> masks;
};

struct Batch {
  std::span<const BatchItem> items;
};

// What the engine needs of a model; tests of the engine put a fake behind it.
class StepModel {
 public:
  virtual ~StepModel() = default;
  virtual const ModelConfig& config() const = 0;
  virtual std::span<const StateGroup> kv_groups() const = 0;
  // Whether items may want it.
  virtual bool Gives(Output output) const { return output == Output::kLogits; }
  // Runs the batch. Wanted rows come in item order, then token order; row r of the result is at
  // logits()[r * logits_stride()], `vocabulary` floats, or at hidden()[r * hidden_size()],
  // hidden_size() floats, valid until the next Forward.
  virtual void Forward(const Batch& batch, const StateView& kv) = 0;
  virtual const float* logits() const = 0;
  virtual size_t logits_stride() const = 0;
  // Null: Gives(kLogits) alone.
  virtual const float* hidden() const { return nullptr; }
  virtual size_t hidden_size() const { return 0; }
  // Summaries of result row r at [r * LogitSpans(vocabulary)], if its item wanted them; valid as
  // long as the logits. Null: the model makes none.
  virtual const LogitSummary* summaries() const { return nullptr; }
  // What it computes with, and its results are worked on with. A model without any has the portable
  // ones.
  virtual const kernels::KernelTable& kernel_table() const {
    return *kernels::FindKernels(kernels::Isa::kGeneric);
  }
};

struct LoadOptions {
  kernels::KvType kv_type = kernels::KvType::kF16;
  uint32_t batch_rows_max = 512;  // rows (tokens) of one Forward
  uint32_t logits_rows_max = 64;
  PackedCache packed_cache = {};
  std::function<void(double fraction)> on_progress = {};  // optional
};

// Memory that a model takes, known before its weights are read.
struct ModelNeeds {
  size_t weight_bytes = 0;
  size_t step_bytes = 0;           // buffers of one Forward
  std::vector<StateGroup> groups;  // what sequences take
};

class Model;

// What does not change with the steps. Whoever holds it may make further models of it, each for a
// thread of its own: they share the weights and have a scratch each.
class ModelWeights {
 public:
  virtual ~ModelWeights() = default;
  // Any thread.
  virtual std::unique_ptr<Model> NewModel() const = 0;
};

class Model : public StepModel {
 public:
  // pool is borrowed and must outlive the model. The file may be closed after Load.
  static Result<std::unique_ptr<Model>> Load(const GgufFile& file, ThreadPool& pool,
                                             const kernels::KernelTable& kernels,
                                             const LoadOptions& options);
  // Of Load with the same arguments on a pool of so many threads. Refuses what Load refuses before
  // it reads weights.
  static Result<ModelNeeds> Needs(const GgufFile& file, uint32_t threads,
                                  const kernels::KernelTable& kernels, const LoadOptions& options);
  // Memory that the weights take.
  virtual size_t weight_bytes() const = 0;
  // Shared: the weights live as long as the last model over them.
  virtual std::shared_ptr<const ModelWeights> weights() const = 0;
  // Where the following steps' time goes is added to `times` (borrowed), until null is set.
  virtual void SetPhaseTimes(PhaseTimes* times) = 0;
};

}  // namespace infe::model

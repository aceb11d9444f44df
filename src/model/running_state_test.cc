// A toy family with a running state: its mixer is a decayed sum of a projection of the stream. One
// part and one function that reads its keys, both below; everything else is the house's. It stands
// for every recurrence that comes.
#include <algorithm>
#include <cstring>
#include <random>

#include <gtest/gtest.h>

#include "base/memory.h"
#include "model/arch/common.h"
#include "model/gguf_builder.h"
#include "model/loaded_model.h"
#include "model/model_test_support.h"
#include "model/parts/product-inl.h"
#include "model/parts/residual.h"

namespace infe::model {
namespace {

using kernels::Activations;
using kernels::kStripeRows;

// s_t = decay * s_(t-1) + in x_t, for each dimension; out s_t is added to the stream. Three phases:
//   1 the input and its projection
//   2 the sums, token by token: units are (sequence, stripe)
//   3 quantise, and the projection back
class DecayedSumPart : public Part {
 public:
  explicit DecayedSumPart(float decay) : decay_(decay) {}

  Result<void> Plan(PartPlan& plan) override {
    const uint32_t d = plan.config.embedding;
    INFE_TRY(plan.tensors.Vector(plan.Name("decay_norm.weight"), d, {}, &norm_));
    INFE_TRY(
        plan.tensors.Matrix({.name = plan.Name("decay_in.weight"), .rows = d, .cols = d}, &in_));
    INFE_TRY(
        plan.tensors.Matrix({.name = plan.Name("decay_out.weight"), .rows = d, .cols = d}, &out_));
    plan.float_products |= kernels::IsFloat(in_.type);
    plan.state.Need(plan.layer, {.kind = StateKind::kRunning, .bytes = d * sizeof(float)}, &slot_);
    sums_ = plan.scratch.shared.Floats("sums", size_t{plan.limits.rows_max} * d);
    wanted_ = plan.scratch.shared.Floats("wanted sums", size_t{plan.limits.rows_max} * d);
    activations_ = plan.scratch.shared.Bytes("sums' activations",
                                             kernels::ActivationsBytes(plan.limits.rows_max, d));
    return {};
  }

  std::vector<Phase> phases() const override {
    return {{StepPart::kQkv, RunPhase<DecayedSumPart, &DecayedSumPart::In>},
            {StepPart::kAttention, RunPhase<DecayedSumPart, &DecayedSumPart::Scan>},
            {StepPart::kOutput, RunPhase<DecayedSumPart, &DecayedSumPart::Out>, true}};
  }

 private:
  void In(Lane& lane, const Step& step) const {
    const Activations input = Normalise(lane, step, norm_);
    const uint32_t d = step.model.config.embedding;
    float* sums = step.scratch.shared.Floats(sums_);
    ForTiles(
        lane, in_.stripes(), input.cols, [&](uint32_t s0, uint32_t s1, uint32_t r0, uint32_t r1) {
          Multiply(step, in_, input, r0, r1, s0, s1, sums + size_t{r0} * d + s0 * kStripeRows, d);
        });
  }

  float* State(const Step& step, uint32_t item, uint32_t which) const {
    const uint32_t block = step.batch.items[item].blocks[slot_.group][which];
    if (block == kNoBlock) return nullptr;
    return reinterpret_cast<float*>(step.state.arena[slot_.group] +
                                    block * step.model.groups[slot_.group].block_bytes +
                                    slot_.offset);
  }

  void Scan(Lane& lane, const Step& step) const {
    const uint32_t d = step.model.config.embedding;
    const uint32_t stripes = d / kStripeRows;
    float* sums = step.scratch.shared.Floats(sums_);
    const uint32_t items = static_cast<uint32_t>(step.batch.items.size());
    Share(lane, items * stripes, [&](uint32_t begin, uint32_t end) {
      for (uint32_t unit = begin; unit < end; ++unit) {
        const uint32_t item = unit / stripes;
        const uint32_t at = unit % stripes * kStripeRows;
        float s[kStripeRows] = {};
        if (const float* from = State(step, item, kRunningFrom)) {
          std::memcpy(s, from + at, sizeof s);
        }
        for (size_t r = 0; r < step.plan.rows.size(); ++r) {
          if (step.plan.rows[r].item != item) continue;
          step.kernels.scale(s, decay_, kStripeRows);
          step.kernels.add(s, sums + r * d + at, kStripeRows);
          std::memcpy(sums + r * d + at, s, sizeof s);
        }
        std::memcpy(State(step, item, kRunningTo) + at, s, sizeof s);
      }
    });
  }

  void Out(Lane& lane, const Step& step) const {
    const uint32_t d = step.model.config.embedding;
    float* sums = step.scratch.shared.Floats(sums_);
    float* rows = step.scratch.shared.Floats(wanted_);
    const Activations input =
        kernels::MakeActivations(step.scratch.shared.Bytes(activations_), lane.rows, d, rows);
    for (uint32_t r = lane.worker.index(); r < lane.rows; r += lane.worker.count()) {
      const uint32_t row = lane.only_wanted ? step.plan.wanted[r].row : r;
      std::memcpy(rows + size_t{r} * d, sums + size_t{row} * d, d * sizeof(float));
      step.kernels.quantise_row(rows + size_t{r} * d, 0, d, r, input);
    }
    lane.worker.Barrier();
    AddToStream(lane, step, out_, input, {});
  }

  const float decay_;
  const float* norm_ = nullptr;  // [embedding]
  kernels::PackedMatrix in_;     // [embedding, embedding]
  kernels::PackedMatrix out_;    // [embedding, embedding]
  StateSlot slot_;
  BufferId sums_;    // [rows][embedding]: the projection, then the sums in its place
  BufferId wanted_;  // [rows][embedding]: those that go on
  BufferId activations_;
};

// What an arch file does. Layers 0 and 2 are decayed sums, layer 1 is attention.
struct Toy {
  ModelConfig config;
  ModelParts parts;
};

Result<Toy> ReadToy(const GgufFile& file) {
  Toy toy;
  INFE_ASSIGN(toy.config, ReadCommonConfig(file, "toy"));
  INFE_ASSIGN(const float decay, ReadFactor(file, "toy.decay"));
  toy.parts = MakeParts(toy.config);
  for (const size_t l : {0, 2}) {
    toy.parts.layers[l].mixer = std::make_unique<DecayedSumPart>(decay);
  }
  return toy;
}

constexpr uint32_t kWidth = 64;
constexpr uint32_t kVocabulary = 100;

std::string ToyFile() {
  std::mt19937 random(3);
  const auto floats = [&](size_t count, float mean, float spread) {
    std::string bytes;
    for (size_t i = 0; i < count; ++i) {
      const float unit = static_cast<float>(random() % 2001) / 1000 - 1;
      bytes += GgufBuilder::Number(mean + spread * unit);
    }
    return bytes;
  };
  GgufBuilder b;
  const auto matrix = [&](const std::string& name, uint64_t cols, uint64_t rows) {
    b.Tensor(name, 0, {cols, rows}, floats(cols * rows, 0, 0.2F));
  };
  const auto vector = [&](const std::string& name) {
    b.Tensor(name, 0, {kWidth}, floats(kWidth, 1, 0.3F));
  };
  b.String("general.architecture", "toy");
  b.Unsigned("toy.block_count", 3).Unsigned("toy.context_length", 512);
  b.Unsigned("toy.embedding_length", kWidth).Unsigned("toy.feed_forward_length", 96);
  b.Unsigned("toy.attention.head_count", 4).Unsigned("toy.attention.head_count_kv", 2);
  b.Float("toy.attention.layer_norm_rms_epsilon", 1e-5F).Float("toy.decay", 0.75F);
  matrix("token_embd.weight", kWidth, kVocabulary);
  vector("output_norm.weight");
  for (uint32_t l = 0; l < 3; ++l) {
    const std::string p = "blk." + std::to_string(l) + ".";
    if (l == 1) {
      vector(p + "attn_norm.weight");
      for (const char* name : {"attn_q", "attn_output"})
        matrix(p + name + ".weight", kWidth, kWidth);
      for (const char* name : {"attn_k", "attn_v"})
        matrix(p + name + ".weight", kWidth, kWidth / 2);
    } else {
      vector(p + "decay_norm.weight");
      matrix(p + "decay_in.weight", kWidth, kWidth);
      matrix(p + "decay_out.weight", kWidth, kWidth);
    }
    vector(p + "ffn_norm.weight");
    matrix(p + "ffn_gate.weight", kWidth, 96);
    matrix(p + "ffn_up.weight", kWidth, 96);
    matrix(p + "ffn_down.weight", 96, kWidth);
  }
  return b.Bytes();
}

// Memory of some sequences: a block table of positions each, and two snapshots that take turns.
class ToyMemory {
 public:
  ToyMemory(const Model& model, uint32_t sequences, uint32_t positions)
      : blocks_((positions + kBlockPositions - 1) / kBlockPositions), turn_(sequences) {
    for (size_t g = 0; g < model.kv_groups().size(); ++g) {
      const StateGroup& group = model.kv_groups()[g];
      arenas_.emplace_back(group.block_bytes * sequences * std::max(blocks_, 2u));
      view_.arena[g] = arenas_.back().data();
      running_[g] = group.kind == StateKind::kRunning;
    }
    tables_.resize(sequences);
  }

  // The tables of a sequence's next item, which begins at `position`.
  void Fill(BatchItem& item, uint32_t sequence, uint32_t position) {
    Tables& tables = tables_[sequence];
    tables.positions.clear();
    for (uint32_t b = 0; b < blocks_; ++b) tables.positions.push_back(sequence * blocks_ + b);
    const uint32_t turn = turn_[sequence]++ % 2;
    tables.snapshots[kRunningFrom] = position == 0 ? kNoBlock : 2 * sequence + 1 - turn;
    tables.snapshots[kRunningTo] = 2 * sequence + turn;
    item.position = position;
    for (size_t g = 0; g < arenas_.size(); ++g) {
      item.blocks[g] = running_[g] ? std::span<const uint32_t>(tables.snapshots)
                                   : std::span<const uint32_t>(tables.positions);
    }
  }
  const StateView& view() const { return view_; }

 private:
  struct Tables {
    std::vector<uint32_t> positions;
    uint32_t snapshots[2];
  };
  uint32_t blocks_;
  std::vector<uint32_t> turn_;
  std::vector<HugeBuffer> arenas_;
  bool running_[kStateGroupsMax] = {};
  std::vector<Tables> tables_;
  StateView view_;
};

std::unique_ptr<Model> LoadToy(const std::string& bytes, ThreadPool& pool,
                               const kernels::KernelTable& kernels) {
  auto file = GgufFile::Parse(AsBytes(bytes));
  EXPECT_TRUE(file);
  auto toy = ReadToy(*file);
  EXPECT_TRUE(toy) << toy.error().message;
  auto model = LoadParts(*file, std::move(toy->config), std::move(toy->parts), pool, kernels, {});
  EXPECT_TRUE(model) << model.error().message;
  return std::move(*model);
}

// The last logits of a sequence of `tokens`, fed in chunks of random size up to chunk_max among
// `others` sequences of noise.
std::vector<float> LastLogits(Model& model, std::span<const TokenId> tokens, uint32_t chunk_max,
                              uint32_t others, uint32_t seed) {
  std::mt19937 random(seed);
  ToyMemory memory(model, others + 1, 256);
  std::vector<uint32_t> position(others + 1);
  std::vector<float> last;
  while (position[0] < tokens.size()) {
    std::vector<BatchItem> items(others + 1);
    for (uint32_t s = 0; s <= others; ++s) {
      BatchItem& item = items[others - s];  // ours is the last
      const uint32_t left = static_cast<uint32_t>(tokens.size()) - position[s];
      const uint32_t size = std::min(left, 1 + static_cast<uint32_t>(random()) % chunk_max);
      item.tokens = tokens.subspan(s == 0 ? position[s] : random() % (tokens.size() - size), size);
      if (s != 0 && left == size) position[s] = 0;
      memory.Fill(item, s, position[s]);
      item.logits_rows = s == 0 ? (left == size ? 1 : 0) : random() % 2;
      position[s] += size;
    }
    model.Forward({.items = items}, memory.view());
    if (position[0] < tokens.size()) continue;
    uint32_t row = 0;
    for (uint32_t i = 0; i < others; ++i) row += items[i].logits_rows;
    const float* logits = model.logits() + row * model.logits_stride();
    last.assign(logits, logits + kVocabulary);
  }
  return last;
}

TEST(RunningState, GroupsAreThoseThatAreAlike) {
  ThreadPool pool(1);
  const std::string bytes = ToyFile();
  const auto model = LoadToy(bytes, pool, TestKernels());
  ASSERT_EQ(model->kv_groups().size(), 2u);
  EXPECT_EQ(model->kv_groups()[0].kind, StateKind::kPositions);
  EXPECT_EQ(model->kv_groups()[0].layers, std::vector<uint32_t>{1});
  EXPECT_EQ(model->kv_groups()[1].kind, StateKind::kRunning);
  EXPECT_EQ(model->kv_groups()[1].layers, (std::vector<uint32_t>{0, 2}));
  EXPECT_EQ(model->kv_groups()[1].block_bytes, 2 * kWidth * sizeof(float));
}

TEST(RunningState, BitsDependOnTheSequenceAlone) {
  const std::string bytes = ToyFile();
  std::mt19937 random(9);
  std::vector<TokenId> tokens(90);
  for (TokenId& token : tokens) token = random() % kVocabulary;
  for (const kernels::Isa isa : {kernels::Isa::kGeneric, kernels::Isa::kAvx2,
                                 kernels::Isa::kAvx512Vnni, kernels::Isa::kAmx}) {
    const kernels::KernelTable* kernels = kernels::FindKernels(isa);
    if (kernels == nullptr) continue;
    std::vector<float> expected;
    for (const uint32_t threads : {1u, 2u, 3u}) {
      ThreadPool pool(threads);
      const auto model = LoadToy(bytes, pool, *kernels);
      if (threads == 1) expected = LastLogits(*model, tokens, 90, 0, 1);
      for (const uint32_t chunk_max : {1u, 2u, 7u, 40u}) {
        for (const uint32_t others : {0u, 3u}) {
          const auto got = LastLogits(*model, tokens, chunk_max, others, threads + chunk_max);
          EXPECT_EQ(std::memcmp(got.data(), expected.data(), kVocabulary * sizeof(float)), 0)
              << threads << " threads, chunks up to " << chunk_max << ", others " << others;
        }
      }
    }
  }
}

// The first token still counts at the end: the state is not lost between steps.
TEST(RunningState, EveryTokenIsRemembered) {
  ThreadPool pool(1);
  const std::string bytes = ToyFile();
  const auto model = LoadToy(bytes, pool, TestKernels());
  std::vector<TokenId> tokens = {5, 6, 7, 8, 9};
  const auto one = LastLogits(*model, tokens, 1, 0, 1);
  tokens[0] = 50;
  EXPECT_NE(LastLogits(*model, tokens, 1, 0, 1), one);
}

}  // namespace
}  // namespace infe::model

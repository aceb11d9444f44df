// A model for tests of the engine. Its logits are a pure function of the tokens before a position,
// and it knows these only from state memory: Forward writes each token into its block and reads the
// whole history back through the block tables, and a running state is a chain of hashes over all
// tokens. A wrong block, a stale position, a window freed too early, a snapshot of another place or
// memory shared wrongly therefore changes the text. Time is a counter that Forward moves.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "base/check.h"
#include "model/model.h"

namespace infe::engine {

struct FakeModelOptions {
  uint32_t vocabulary = 97;
  uint32_t context_length = 4096;
  uint32_t window = 0;   // > 0: a second, windowed group
  bool running = false;  // a further group with a running state
  bool embeds = true;    // gives hidden and pooled rows
  bool encodes = false;  // gives pooled rows alone, and keeps nothing between steps
  uint32_t logits_rows_max = 64;
  uint32_t batch_rows_max = 512;
  uint32_t order = 0;  // > 0: logits depend on the last `order` tokens only (texts that repeat)
  // Cost of a step, moved on `now`.
  double step_us = 3000, row_us = 500, attended_us = 0.2;
};

class FakeModel : public model::StepModel {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  explicit FakeModel(const FakeModelOptions& options) : options_(options) {
    config_.vocabulary = options.vocabulary;
    config_.context_length = options.context_length;
    if (!options.encodes) AddGroup(model::StateKind::kPositions, 0);
    if (options.window > 0) AddGroup(model::StateKind::kWindow, options.window);
    if (options.running) AddGroup(model::StateKind::kRunning, 0);
    config_.embedding = kEmbedding;
    logits_.resize(size_t{options.logits_rows_max} * options.vocabulary);
    hidden_.resize(size_t{options.logits_rows_max} * kEmbedding);
  }

  const model::ModelConfig& config() const override { return config_; }
  std::span<const model::StateGroup> kv_groups() const override { return groups_; }
  const float* logits() const override { return logits_.data(); }
  size_t logits_stride() const override { return options_.vocabulary; }
  bool Gives(model::Output output) const override {
    if (options_.encodes) return output == model::Output::kPooled;
    return options_.embeds || output == model::Output::kLogits;
  }
  const float* hidden() const override { return hidden_.data(); }
  size_t hidden_size() const override { return kEmbedding; }

  void Forward(const model::Batch& batch, const model::StateView& kv) override {
    uint32_t rows = 0;
    uint32_t logits_rows = 0;
    double attended = 0;
    for (const model::BatchItem& item : batch.items) {
      INFE_CHECK(!item.tokens.empty() && item.logits_rows <= item.tokens.size());
      rows += static_cast<uint32_t>(item.tokens.size());
      Write(item, kv);
      if (options_.running) Run(item, kv);
    }
    INFE_CHECK(rows <= options_.batch_rows_max);
    if (options_.running) ExpectApart(batch);
    size_t row = 0;
    for (const model::BatchItem& item : batch.items) {
      const auto count = static_cast<uint32_t>(item.tokens.size());
      attended += count * (item.position + count / 2.0);
      for (uint32_t r = count - item.logits_rows; r < count; ++r) {
        INFE_CHECK(logits_rows < options_.logits_rows_max);
        if (item.output != model::Output::kLogits) {
          MakeHidden(item, kv, &hidden_[size_t{logits_rows++} * kEmbedding]);
          continue;
        }
        MakeLogits(item, kv, item.position + r, options_.running ? chain_[row + r] : 0,
                   &logits_[size_t{logits_rows++} * options_.vocabulary]);
      }
      row += count;
    }
    chain_.clear();
    ++steps;
    rows_in_all += rows;
    last_rows = rows;
    last_items = static_cast<uint32_t>(batch.items.size());
    now += std::chrono::microseconds(static_cast<int64_t>(
        options_.step_us + options_.row_us * rows + options_.attended_us * attended));
    if (on_forward) on_forward(batch);
  }

  // The same logits from a plain token history: what the KV route must agree with.
  void Expected(std::span<const uint32_t> history, float* logits) const {
    const auto count = static_cast<uint32_t>(history.size());
    uint64_t hash = kSeed;
    const uint32_t first =
        options_.order > 0 && count > options_.order ? count - options_.order : 0;
    for (uint32_t p = first; p < count; ++p)
      hash = Mix(hash, history[p], options_.order > 0 ? 0 : p);
    if (options_.window > 0) {
      const uint32_t begin = count > options_.window ? count - options_.window : 0;
      for (uint32_t p = begin; p < count; ++p) hash = Mix(hash, history[p], 7);
    }
    if (options_.running && options_.order == 0) {
      uint64_t chain = kSeed;
      for (const uint32_t token : history) chain = Mix(chain, token, kChain);
      hash = Mix(hash, chain, kChain);
    }
    Fill(hash, logits);
  }

  // What Output::kHidden (or kPooled) must give of a whole text.
  std::vector<float> ExpectedHidden(std::span<const uint32_t> text, model::Output output) const {
    std::vector<float> hidden(kEmbedding);
    FillHidden(text, output, hidden.data());
    return hidden;
  }

  TimePoint now = TimePoint(std::chrono::hours(1));
  std::function<void(const model::Batch&)> on_forward;
  uint64_t steps = 0, rows_in_all = 0;
  uint32_t last_rows = 0, last_items = 0;

 private:
  struct Slot {
    uint32_t token;
    uint32_t position;
  };
  struct RunningState {
    uint64_t chain;
    uint64_t position;  // tokens behind it
  };
  static constexpr size_t kBlockBytes = model::kBlockPositions * sizeof(Slot);
  static constexpr uint64_t kSeed = 0x243F6A8885A308D3u;
  static constexpr uint64_t kChain = 11;
  static constexpr size_t kEmbedding = 6;

  void AddGroup(model::StateKind kind, uint32_t window) {
    groups_.push_back({.kind = kind,
                       .layers = {static_cast<uint32_t>(groups_.size())},
                       .window = window,
                       .layer_bytes = kBlockBytes,
                       .block_bytes = kBlockBytes});
    config_.layers.resize(groups_.size());
  }

  static uint64_t Mix(uint64_t hash, uint64_t token, uint64_t position) {
    hash ^= token * 0x9E3779B97F4A7C15u + position * 0xC2B2AE3D27D4EB4Fu;
    hash *= 0xFF51AFD7ED558CCDu;
    return hash ^ (hash >> 29);
  }

  Slot* At(const model::BatchItem& item, const model::StateView& kv, size_t group,
           uint32_t position) const {
    const uint32_t index = position / model::kBlockPositions;
    INFE_CHECK(index < item.blocks[group].size());
    const uint32_t block = item.blocks[group][index];
    INFE_CHECK(block != model::kNoBlock);
    return reinterpret_cast<Slot*>(kv.arena[group] + size_t{block} * kBlockBytes) +
           position % model::kBlockPositions;
  }

  void Write(const model::BatchItem& item, const model::StateView& kv) {
    for (uint32_t r = 0; r < item.tokens.size(); ++r) {
      for (size_t g = 0; g < groups_.size(); ++g) {
        if (groups_[g].kind == model::StateKind::kRunning) continue;
        *At(item, kv, g, item.position + r) = {item.tokens[r], item.position + r};
      }
    }
  }

  // A model may run items in any order: none reads or writes what another one writes.
  void ExpectApart(const model::Batch& batch) const {
    const size_t group = groups_.size() - 1;
    for (const model::BatchItem& item : batch.items) {
      for (const model::BatchItem& other : batch.items) {
        if (&item == &other) continue;
        const uint32_t to = item.blocks[group][model::kRunningTo];
        INFE_CHECK(to != other.blocks[group][model::kRunningFrom]);
        INFE_CHECK(to != other.blocks[group][model::kRunningTo]);
      }
    }
  }

  // Takes the running state over the item's tokens; chain_ gets it behind each of them.
  void Run(const model::BatchItem& item, const model::StateView& kv) {
    const size_t group = groups_.size() - 1;
    const auto table = item.blocks[group];
    INFE_CHECK(table.size() == 2 && table[model::kRunningTo] != model::kNoBlock);
    INFE_CHECK(table[model::kRunningFrom] != table[model::kRunningTo]);
    const auto at = [&](uint32_t block) {
      return reinterpret_cast<RunningState*>(kv.arena[group] + size_t{block} * kBlockBytes);
    };
    const uint32_t from = table[model::kRunningFrom];
    RunningState state = from == model::kNoBlock ? RunningState{kSeed, 0} : *at(from);
    if (state.position != item.position) state.chain = Mix(state.chain, 0xBAD, state.position);
    for (const uint32_t token : item.tokens) {
      state.chain = Mix(state.chain, token, kChain);
      chain_.push_back(state.chain);
    }
    state.position = item.position + item.tokens.size();
    *at(table[model::kRunningTo]) = state;
  }

  void MakeLogits(const model::BatchItem& item, const model::StateView& kv, uint32_t position,
                  uint64_t chain, float* logits) const {
    uint64_t hash = kSeed;
    const uint32_t count = position + 1;
    const uint32_t first =
        options_.order > 0 && count > options_.order ? count - options_.order : 0;
    for (uint32_t p = 0; p < count; ++p) {
      const Slot slot = *At(item, kv, 0, p);
      const uint64_t wrong = slot.position == p ? 0 : 0xBAD;  // also outside the last `order`
      if (p >= first || wrong != 0)
        hash = Mix(hash, slot.token, (options_.order > 0 ? 0 : p) + wrong);
    }
    if (options_.window > 0) {
      for (uint32_t p = count > options_.window ? count - options_.window : 0; p < count; ++p) {
        const Slot slot = *At(item, kv, 1, p);
        hash = Mix(hash, slot.token, slot.position == p ? 7 : 0xBAD);
      }
    }
    if (options_.running) {
      uint64_t expected = kSeed;
      for (uint32_t p = 0; p < count; ++p)
        expected = Mix(expected, At(item, kv, 0, p)->token, kChain);
      // With `order` what the state holds shows only where it is wrong.
      if (options_.order == 0 || chain != expected) hash = Mix(hash, chain, kChain);
    }
    Fill(hash, logits);
    if (!item.head_rows.empty()) {
      std::vector<bool> wanted(options_.vocabulary, false);
      for (const uint32_t token : item.head_rows) wanted[token] = true;
      for (uint32_t v = 0; v < options_.vocabulary; ++v) {
        if (!wanted[v]) logits[v] = -std::numeric_limits<float>::infinity();
      }
    }
  }

  void MakeHidden(const model::BatchItem& item, const model::StateView& kv, float* hidden) const {
    const auto count = item.position + static_cast<uint32_t>(item.tokens.size());
    // A pooled text is in no memory yet: what a token is depends on those behind it.
    INFE_CHECK(item.output == model::Output::kHidden || item.position == 0);
    INFE_CHECK(item.logits_rows == 1);
    std::vector<uint32_t> text(item.tokens.begin(), item.tokens.end());
    if (!options_.encodes) {
      text.resize(count);
      for (uint32_t p = 0; p < count; ++p) text[p] = At(item, kv, 0, p)->token;
    }
    FillHidden(text, item.output, hidden);
  }

  static void FillHidden(std::span<const uint32_t> text, model::Output output, float* hidden) {
    uint64_t hash = static_cast<uint64_t>(output);
    for (uint32_t p = 0; p < text.size(); ++p) hash = Mix(hash, text[p], p);
    for (size_t i = 0; i < kEmbedding; ++i)
      hidden[i] = static_cast<float>(Mix(hash, i, 0) >> 40) / static_cast<float>(1 << 24);
  }

  void Fill(uint64_t hash, float* logits) const {
    for (uint32_t v = 0; v < options_.vocabulary; ++v) {
      const uint64_t bits = Mix(hash, v, 0) >> 40;
      const float u = static_cast<float>(bits) / static_cast<float>(1 << 24);
      logits[v] = 8 * u * u * u - 2;  // a few likely ones, many unlikely
    }
  }

  FakeModelOptions options_;
  model::ModelConfig config_;
  std::vector<model::StateGroup> groups_;
  std::vector<uint64_t> chain_;  // of the step's rows
  std::vector<float> logits_;
  std::vector<float> hidden_;
};

}  // namespace infe::engine

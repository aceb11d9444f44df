#include "cli/bench_work.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/check.h"
#include "base/random.h"

namespace infe::cli {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

constexpr uint64_t kSeed = 1;

}  // namespace

BenchWork::BenchWork(model::StepModel& model, const kernels::KernelTable& kernels, uint32_t streams,
                     uint32_t positions)
    : model_(model),
      kernels_(kernels),
      kv_(model.kv_groups(), streams, positions),
      prompt_(positions),
      next_(streams) {
  const uint32_t vocabulary = model.config().vocabulary;
  for (size_t i = 0; i < prompt_.size(); ++i)
    prompt_[i] = static_cast<model::TokenId>(UniformAt(kSeed, 0, i) * vocabulary);
  std::ranges::copy_n(prompt_.begin(), std::min(prompt_.size(), next_.size()), next_.begin());
  // Pages are taken now, not while the clock runs.
  const auto groups = model.kv_groups();
  for (size_t g = 0; g < groups.size(); ++g)
    std::memset(kv_.view().arena[g], 0, groups[g].block_bytes * kv_.blocks(g));
}

model::BatchItem BenchWork::Item(uint32_t sequence, std::span<const model::TokenId> tokens,
                                 uint32_t position, uint32_t logits_rows) {
  model::BatchItem item;
  item.tokens = tokens;
  item.position = position;
  kv_.Fill(item, sequence);
  item.logits_rows = logits_rows;
  return item;
}

void BenchWork::FillOne(uint32_t sequence, uint32_t tokens) {
  INFE_CHECK(tokens <= prompt_.size());
  for (uint32_t at = 0; at < tokens;) {
    const uint32_t end = std::min(tokens, at + kChunkRows);
    const auto item =
        Item(sequence, std::span(prompt_).subspan(at, end - at), at, end == tokens ? 1 : 0);
    model_.Forward({.items = {&item, 1}}, kv_.view());
    at = end;
  }
}

double BenchWork::Prefill(uint32_t tokens) {
  const auto start = Clock::now();
  FillOne(0, tokens);
  return tokens / SecondsSince(start);
}

void BenchWork::Fill(uint32_t streams, uint32_t tokens) {
  for (uint32_t s = 0; s < streams; ++s) FillOne(s, tokens);
}

void BenchWork::TakeNext(uint32_t streams) {
  for (uint32_t s = 0; s < streams; ++s) {
    uint32_t index = 0;
    kernels_.max_index(model_.logits() + s * model_.logits_stride(), model_.config().vocabulary,
                       &index);
    next_[s] = index;
  }
}

double BenchWork::Decode(uint32_t streams, uint32_t position, uint32_t steps) {
  INFE_CHECK(streams <= next_.size() && position + steps <= prompt_.size());
  std::vector<model::BatchItem> items(streams);
  const auto start = Clock::now();
  for (uint32_t step = 0; step < steps; ++step) {
    for (uint32_t s = 0; s < streams; ++s)
      items[s] = Item(s, std::span(next_).subspan(s, 1), position + step, 1);
    model_.Forward({.items = items}, kv_.view());
    TakeNext(streams);
  }
  return 1.0 * streams * steps / SecondsSince(start);
}

MixedResult BenchWork::Mixed(uint32_t streams, uint32_t position, uint32_t prompt, uint32_t chunk) {
  INFE_CHECK(streams < next_.size() && prompt <= prompt_.size() && chunk + streams <= kChunkRows);
  std::vector<model::BatchItem> items(streams + 1);
  MixedResult result;
  uint32_t steps = 0;
  const auto start = Clock::now();
  for (uint32_t at = 0; at < prompt; ++steps) {
    const auto step_start = Clock::now();
    const uint32_t end = std::min(prompt, at + chunk);
    INFE_CHECK(position + steps < prompt_.size());
    for (uint32_t s = 0; s < streams; ++s)
      items[s] = Item(s, std::span(next_).subspan(s, 1), position + steps, 1);
    items[streams] = Item(streams, std::span(prompt_).subspan(at, end - at), at, 0);
    model_.Forward({.items = items}, kv_.view());
    TakeNext(streams);
    at = end;
    result.worst_gap_ms = std::max(result.worst_gap_ms, 1e3 * SecondsSince(step_start));
  }
  const double seconds = SecondsSince(start);
  result.prefill_tok_s = prompt / seconds;
  result.decode_tok_s = 1.0 * streams * steps / seconds;
  return result;
}

}  // namespace infe::cli

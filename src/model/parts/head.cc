#include "model/parts/head.h"

#include <algorithm>
#include <limits>

#include "model/parts/product-inl.h"
#include "model/parts/residual.h"

namespace infe::model {
namespace {

using kernels::Activations;
using kernels::kStripeRows;

// Stripes of the head taken at a time: one run of logits.
constexpr uint32_t kHeadChunk = kLogitSpan / kStripeRows;
// Runs that are computed before they are summed up: what 16 rows of them take, 64 KiB, is in the
// cache then.
constexpr uint32_t kHeadRuns = 4;

}  // namespace

Result<void> HeadPart::Plan(PartPlan& plan) {
  const ModelConfig& config = plan.config;
  const std::string norm = std::string(config.output_norm) + ".weight";
  INFE_TRY(plan.tensors.Vector(norm, config.embedding, {}, &norm_));
  INFE_TRY(plan.tensors.Matrix({.name = config.tied_head ? "token_embd.weight" : "output.weight",
                                .rows = config.vocabulary,
                                .cols = config.embedding},
                               &matrix_));
  plan.float_products |= kernels::IsFloat(matrix_.type);
  stride_ = size_t{matrix_.stripes()} * kStripeRows;
  const size_t rows = plan.limits.logits_rows_max;
  logits_ = plan.scratch.shared.Floats("logits", rows * stride_);
  summaries_ = plan.scratch.shared.Bytes(
      "summaries", rows * LogitSpans(config.vocabulary) * sizeof(LogitSummary));
  own_span_ = plan.scratch.own.Floats("span", kLogitSpan);
  return {};
}

std::vector<Phase> HeadPart::phases() const {
  return {{StepPart::kHead, RunPhase<HeadPart, &HeadPart::Run>}};
}

void HeadPart::Run(Lane& lane, const Step& step) const {
  const Activations input = Normalise(lane, step, norm_);
  const uint32_t stripes = matrix_.stripes();
  const bool summarise =
      std::any_of(step.plan.wanted.begin(), step.plan.wanted.end(),
                  [](const LogitsRow& row) { return row.inverse_temperature >= 0; });
  Share(lane, (stripes + kHeadChunk - 1) / kHeadChunk, [&](uint32_t begin, uint32_t end) {
    const uint32_t runs = summarise ? kHeadRuns : end - begin;
    for (; begin < end; begin += runs) {
      const uint32_t to = std::min(begin + runs, end);
      const uint32_t stripe_end = std::min(to * kHeadChunk, stripes);
      WholeRows(step, input, begin * kHeadChunk, stripe_end);
      ChosenRows(lane, step, input, begin * kHeadChunk, stripe_end);
      if (summarise) SummariseRows(lane, step, begin, to);
    }
  });
}

void HeadPart::Finish(const Step& step, float* logits, uint32_t n) const {
  const ModelConfig& config = step.model.config;
  if (config.logit_scale != 1) step.kernels.scale(logits, config.logit_scale, n);
  if (config.logit_softcap != 0) step.kernels.softcap(logits, config.logit_softcap, n);
}

// Logits over some stripes of the rows that need all of the vocabulary, in runs; a row that names
// its tokens may lie inside such a run, and is computed with it for nothing.
void HeadPart::WholeRows(const Step& step, const Activations& input, uint32_t stripe_begin,
                         uint32_t stripe_end) const {
  const auto& wanted = step.plan.wanted;
  const uint32_t rows = static_cast<uint32_t>(wanted.size());
  float* out = logits(step.scratch) + stripe_begin * kStripeRows;
  for (uint32_t r = 0; r < rows;) {
    if (!wanted[r].tokens.empty()) {
      ++r;
      continue;
    }
    uint32_t run_end = r + 1;
    for (uint32_t i = r + 1; i < rows; ++i) {
      if (wanted[i].tokens.empty()) run_end = i + 1;
    }
    Multiply(step, matrix_, input, r, run_end, stripe_begin, stripe_end, out + r * stride_,
             stride_);
    for (uint32_t i = r; i < run_end; ++i) {
      Finish(step, out + i * stride_, (stripe_end - stripe_begin) * kStripeRows);
    }
    r = run_end;
  }
}

// The tokens of some stripes that rows name, and -infinity for the others.
void HeadPart::ChosenRows(Lane& lane, const Step& step, const Activations& input,
                          uint32_t stripe_begin, uint32_t stripe_end) const {
  const uint32_t begin = stripe_begin * kStripeRows;
  const uint32_t end = std::min(stripe_end * kStripeRows, matrix_.rows);
  float* tile = lane.own.Floats(step.model.residual.tile_a);
  for (uint32_t r = 0; r < step.plan.wanted.size(); ++r) {
    const std::span<const TokenId> tokens = step.plan.wanted[r].tokens;
    if (tokens.empty()) continue;
    float* row = logits(step.scratch) + r * stride_;
    std::fill(row + begin, row + end, -std::numeric_limits<float>::infinity());
    const auto from = std::lower_bound(tokens.begin(), tokens.end(), begin);
    const auto to = std::lower_bound(from, tokens.end(), end);
    // In pieces that the thread's tile can hold.
    for (auto at = from; at < to;) {
      const uint32_t count = static_cast<uint32_t>(std::min<size_t>(to - at, kTileFloats));
      MultiplyRows(step, matrix_, input, r, {&*at, count}, tile);
      Finish(step, tile, count);
      for (uint32_t i = 0; i < count; ++i) row[at[i]] = tile[i];
      at += count;
    }
  }
}

// Summaries of the runs [begin, end) of logits of the rows that want them.
void HeadPart::SummariseRows(Lane& lane, const Step& step, uint32_t begin, uint32_t end) const {
  const uint32_t vocabulary = matrix_.rows;
  const uint32_t spans = LogitSpans(vocabulary);
  float* span = lane.own.Floats(own_span_);
  for (uint32_t r = 0; r < step.plan.wanted.size(); ++r) {
    const LogitsRow& row = step.plan.wanted[r];
    if (row.inverse_temperature < 0) continue;
    for (uint32_t s = begin; s < end; ++s) {
      const uint32_t at = s * kLogitSpan;
      const uint32_t count = std::min(kLogitSpan, vocabulary - at);
      const uint64_t* mask = nullptr;
      if (!row.mask.empty()) {
        if (row.mask.size() < (at + count + 63) / 64) continue;
        mask = row.mask.data() + at / 64;
      }
      summaries(step.scratch)[size_t{r} * spans + s] = Summarise(
          step.kernels, MaskSpan(logits(step.scratch) + r * stride_ + at, count, mask, span),
          row.inverse_temperature);
    }
  }
}

}  // namespace infe::model

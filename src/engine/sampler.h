// From a row of logits to a token. Order: penalties, logit_bias, grammar mask, temperature, top_k,
// top_p, min_p, draw. Greedy at temperature 0. Ties go to the lower id. One random number per
// (seed, choice, position), so a token depends on its own history alone. The vocabulary is never
// sorted, and often not even read: the model sums its runs up while it makes them, and only the run
// that decides is looked into. docs/sampling.md tells the algorithm.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "engine/request.h"
#include "engine/sampler_math.h"
#include "engine/token_counts.h"
#include "kernels/table.h"
#include "model/logit_summary.h"

namespace infe::engine {

struct SampleInput {
  const float* logits = nullptr;  // [vocabulary], raw
  uint32_t vocabulary = 0;
  const SamplingParams* params = nullptr;
  // params->logit_bias, sorted by id, one entry per id.
  std::span<const std::pair<TokenId, float>> bias;
  std::span<const TokenCounts::Entry> history;  // may be empty if no penalty is set
  std::span<const uint64_t> mask;               // bit i: token i may follow; empty: all may
  // The tokens that the mask allows, ascending, when they are few; empty: unknown or many.
  std::span<const TokenId> allowed;
  // Of the first runs of logits, as the mask leaves them, at 1 / temperature; those past them, and
  // those with a changed logit, are summed up here. May be empty.
  std::span<const model::LogitSummary> summaries;
  std::span<const TokenId> banned;  // never sampled, whatever the mask says; sorted, few
  uint64_t position = 0;            // absolute position of the token to be drawn
};

// The factor of the exponents: 1 / temperature, 0 for greedy sampling. Summaries are made with it.
float InverseTemperature(const SamplingParams& params);

// What can be said of a token by the raw logits.
void RawLogprobs(const kernels::KernelTable& kernels, const float* logits, uint32_t vocabulary,
                 TokenId token, uint32_t top, SampledToken& out);

// Holds scratch memory: one per thread.
class Sampler {
 public:
  explicit Sampler(const kernels::KernelTable& kernels) : kernels_(kernels) {}

  // The token, or nullopt if nothing may follow (all masked, or no logit is a number).
  std::optional<TokenId> Sample(const SampleInput& input);

 private:
  struct Candidate {
    float logit;
    TokenId token;
    double weight;  // exp((logit - max) / temperature)
  };
  static bool Likelier(const Candidate& a, const Candidate& b) {
    return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
  }
  // A prefix of the vocabulary in order of likelihood: all buckets before `bucket`, and of that one
  // the `kept` candidates.
  struct Cut {
    uint32_t bucket = 0;
    double weight_before = 0;  // of the buckets before
    double weight = 0;         // of the whole prefix
    std::vector<Candidate> kept;
  };

  void MakePatches(const SampleInput& input, bool with_bias);
  bool FindMax(const SampleInput& input);
  std::span<const float> Span(const SampleInput& input, uint32_t span);
  float Patched(const SampleInput& input, TokenId token) const;
  TokenId Greedy(const SampleInput& input);
  TokenId Draw(const SampleInput& input);
  TokenId DrawListed(const SamplingParams& params, double uniform);
  std::optional<TokenId> DrawNear(const SampleInput& input, double uniform);
  TokenId DrawFar(const SampleInput& input, double uniform);

  void CollectSpans(const SampleInput& input, size_t spans);
  double SpanWeight(const SampleInput& input, uint32_t span);
  double TotalWeight(const SampleInput& input);
  void WeighSpans();
  TokenId DrawPlain(const SampleInput& input, double uniform);
  double RestBound();
  void MakeHistogram(const SampleInput& input);
  void CollectBucket(const SampleInput& input, uint32_t bucket, std::vector<Candidate>& into);
  Cut CutByCount(const SampleInput& input, size_t count);
  Cut CutByWeight(const SampleInput& input, const Cut& within, double target);
  Cut CutByRatio(const SampleInput& input, const Cut& within, double min_p);
  TokenId DrawWithin(const SampleInput& input, const Cut& cut, double target);

  static size_t FindCrossing(std::vector<Candidate>& from, size_t end, double before,
                             double target);
  static double WeightOf(const std::vector<Candidate>& from, size_t end);
  double Weight(float logit) const { return kernels_.exp_sum(&logit, max_, factor_, 1); }
  uint32_t BucketOf(float logit) const;

  const kernels::KernelTable& kernels_;
  std::vector<std::pair<TokenId, float>> patches_;  // sorted by id: the changed logits
  std::vector<float> span_max_;
  std::vector<double> span_weight_;  // LogitSummary::weight; negative: not worked out
  std::vector<float> sorted_max_;
  std::vector<float> max_weight_;  // of the spans' maxima, relative to max_; padded to kWeighCount
  std::vector<float> scratch_;
  std::vector<Candidate> candidates_;
  std::vector<double> bucket_weight_;
  std::vector<uint32_t> bucket_count_;
  float max_ = 0;
  float factor_ = 1;     // 1 / temperature
  float threshold_ = 0;  // CollectSpans took all logits >= it
  bool listed_ = false;  // all candidates were collected at once, from `allowed`
};

}  // namespace infe::engine

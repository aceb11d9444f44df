// From a row of logits to a token. Order: penalties, logit_bias, grammar mask, temperature, top_k,
// top_p, min_p, draw. Greedy at temperature 0. Ties go to the lower id. One random number per
// (seed, choice, position), so a token depends on its own history alone. The vocabulary is never
// sorted: spans of it that hold likely tokens are found by their maxima, and only candidates are
// ordered. docs/sampling.md tells the algorithm.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "engine/request.h"
#include "engine/sampler_math.h"
#include "engine/token_counts.h"

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
  std::span<const TokenId> banned;  // never sampled, whatever the mask says; sorted, few
  uint64_t position = 0;            // absolute position of the token to be drawn
};

// What can be said of a token by the raw logits.
void RawLogprobs(const SamplerMath& math, const float* logits, uint32_t vocabulary, TokenId token,
                 uint32_t top, SampledToken& out);

// Holds scratch memory: one per thread.
class Sampler {
 public:
  explicit Sampler(const SamplerMath& math = kPlainMath) : math_(math) {}

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

  void MakePatches(const SampleInput& input, bool with_bias);
  bool FindMax(const SampleInput& input);
  std::span<const float> Span(const SampleInput& input, uint32_t span);
  float Patched(const SampleInput& input, TokenId token) const;
  TokenId Greedy(const SampleInput& input);
  TokenId Draw(const SampleInput& input);
  TokenId DrawFrom(size_t end, double target);
  bool Widen(const SampleInput& input, float factor);
  void CollectTop(const SampleInput& input, float factor, size_t count);
  double TotalWeight(const SampleInput& input, float factor);
  size_t FindCrossing(size_t begin, size_t end, double before, double target);
  double WeightOf(size_t begin, size_t end) const;
  double Weight(float logit, float factor) const { return math_.exp_sum(&logit, max_, factor, 1); }

  const SamplerMath& math_;
  std::vector<std::pair<TokenId, float>> patches_;  // sorted by id: the changed logits
  std::vector<float> span_max_;
  std::vector<float> sorted_max_;
  std::vector<float> scratch_;
  std::vector<Candidate> candidates_;
  size_t patch_cursor_ = 0;
  float max_ = 0;
  // Candidates with a logit >= threshold_ have been collected.
  float threshold_ = 0;
  bool listed_ = false;  // all candidates were collected at once, from `allowed`
  size_t wanted_ = 0;    // how many the next Widen aims at
};

}  // namespace infe::engine

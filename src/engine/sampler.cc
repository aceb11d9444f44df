#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "base/random.h"

namespace infe::engine {
namespace {

// Spans are what is skipped or looked into as a whole: 1 KiB of logits, four words of a mask.
constexpr uint32_t kSpan = 256;
// The first look takes at least so many candidates; each further one eight times as many.
constexpr size_t kCandidatesFirst = 32;
constexpr size_t kWidening = 8;
// Below this a range of candidates is sorted instead of being halved again.
constexpr size_t kSortedRange = 128;
// exp of anything below is 0 in f32.
constexpr float kExponentMin = -104.0f;
constexpr float kTemperatureMin = 1e-5f;  // below it 1/temperature is no use; greedy is the limit
constexpr float kInfinity = std::numeric_limits<float>::infinity();

uint32_t Spans(uint32_t vocabulary) {
  return (vocabulary + kSpan - 1) / kSpan;
}

bool Penalises(const SamplingParams& params) {
  return params.presence_penalty != 0 || params.frequency_penalty != 0 ||
         params.repetition_penalty != 1;
}

float Penalised(float logit, uint32_t generated, const SamplingParams& params) {
  // Keskar et al. 2019 (CTRL) divide; a negative logit is multiplied so that it falls too.
  if (params.repetition_penalty != 1) {
    logit = logit > 0 ? logit / params.repetition_penalty : logit * params.repetition_penalty;
  }
  if (generated > 0) {
    logit -= params.presence_penalty + params.frequency_penalty * static_cast<float>(generated);
  }
  return logit;
}

bool ById(const std::pair<TokenId, float>& patch, TokenId token) {
  return patch.first < token;
}

}  // namespace

// The logits that differ from the raw ones, in order of id: history and bias merged, then bans.
void Sampler::MakePatches(const SampleInput& input, bool with_bias) {
  patches_.clear();
  const SamplingParams& params = *input.params;
  const auto history = Penalises(params) ? input.history : std::span<const TokenCounts::Entry>{};
  const auto bias = with_bias ? input.bias : std::span<const std::pair<TokenId, float>>{};
  size_t h = 0;
  size_t b = 0;
  while (h < history.size() || b < bias.size()) {
    const TokenId from_history = h < history.size() ? history[h].token : ~TokenId{0};
    const TokenId from_bias = b < bias.size() ? bias[b].first : ~TokenId{0};
    const TokenId token = std::min(from_history, from_bias);
    if (token >= input.vocabulary) break;
    float logit = input.logits[token];
    if (from_history == token) logit = Penalised(logit, history[h++].generated, params);
    if (from_bias == token) logit += bias[b++].second;
    patches_.emplace_back(token, logit);
  }
  for (const TokenId token : input.banned) {
    const auto it = std::lower_bound(patches_.begin(), patches_.end(), token, ById);
    if (it != patches_.end() && it->first == token) {
      it->second = -kInfinity;
    } else {
      patches_.insert(it, {token, -kInfinity});
    }
  }
}

// The span as sampling sees it: the raw logits themselves where nothing is changed or masked.
std::span<const float> Sampler::Span(const SampleInput& input, uint32_t span) {
  const uint32_t begin = span * kSpan;
  const uint32_t count = std::min(kSpan, input.vocabulary - begin);
  const float* raw = input.logits + begin;
  auto patch = std::lower_bound(patches_.begin(), patches_.end(), begin, ById);
  const bool patched = patch != patches_.end() && patch->first < begin + count;
  uint64_t all = ~uint64_t{0};
  uint64_t any = ~uint64_t{0};
  if (!input.mask.empty()) {
    any = 0;
    for (uint32_t bit = 0; bit < count; bit += 64) {
      uint64_t word = input.mask[(begin + bit) / 64];
      if (count - bit < 64) word |= ~uint64_t{0} << (count - bit);
      all &= word;
      any |= count - bit < 64 ? word & ~(~uint64_t{0} << (count - bit)) : word;
    }
  }
  if (any == 0) return {};
  if (!patched && all == ~uint64_t{0}) return {raw, count};
  std::copy(raw, raw + count, scratch_.begin());
  for (; patch != patches_.end() && patch->first < begin + count; ++patch) {
    scratch_[patch->first - begin] = patch->second;
  }
  if (all != ~uint64_t{0}) {
    for (uint32_t bit = 0; bit < count; bit += 64) {
      uint64_t forbidden = ~input.mask[(begin + bit) / 64];
      if (count - bit < 64) forbidden &= ~(~uint64_t{0} << (count - bit));
      for (; forbidden != 0; forbidden &= forbidden - 1) {
        scratch_[bit + static_cast<uint32_t>(__builtin_ctzll(forbidden))] = -kInfinity;
      }
    }
  }
  return {scratch_.data(), count};
}

float Sampler::Patched(const SampleInput& input, TokenId token) const {
  const auto it = std::lower_bound(patches_.begin(), patches_.end(), token, ById);
  return it != patches_.end() && it->first == token ? it->second : input.logits[token];
}

// Sets max_, and the maximum of each span or the list of the few candidates. False: nothing is
// left.
bool Sampler::FindMax(const SampleInput& input) {
  candidates_.clear();
  wanted_ = 0;
  threshold_ = kInfinity;
  max_ = -kInfinity;
  listed_ = !input.allowed.empty();
  if (listed_) {
    for (const TokenId token : input.allowed) {
      if (token >= input.vocabulary) continue;
      const float logit = Patched(input, token);
      if (!(logit > -kInfinity)) continue;
      candidates_.push_back({logit, token, 0});
      max_ = std::max(max_, logit);
    }
    return max_ > -kInfinity;
  }
  const uint32_t spans = Spans(input.vocabulary);
  scratch_.resize(kSpan);
  span_max_.resize(spans);
  for (uint32_t s = 0; s < spans; ++s) {
    const auto values = Span(input, s);
    span_max_[s] = values.empty() ? -kInfinity
                                  : math_.max(values.data(), static_cast<uint32_t>(values.size()));
    max_ = std::max(max_, span_max_[s]);
  }
  return max_ > -kInfinity;
}

std::optional<TokenId> Sampler::Sample(const SampleInput& input) {
  MakePatches(input, true);
  if (!FindMax(input)) {
    // A bias that leaves nothing is dropped; the grammar is not.
    if (input.bias.empty()) return std::nullopt;
    MakePatches(input, false);
    if (!FindMax(input)) return std::nullopt;
  }
  const SamplingParams& params = *input.params;
  if (params.temperature < kTemperatureMin || params.top_k == 1 || params.top_p <= 0) {
    return Greedy(input);
  }
  return Draw(input);
}

TokenId Sampler::Greedy(const SampleInput& input) {
  if (listed_) {
    return std::min_element(candidates_.begin(), candidates_.end(), Likelier)->token;
  }
  const auto span = static_cast<uint32_t>(std::find(span_max_.begin(), span_max_.end(), max_) -
                                          span_max_.begin());
  const auto values = Span(input, span);
  return span * kSpan +
         static_cast<uint32_t>(std::find(values.begin(), values.end(), max_) - values.begin());
}

// Collects the next band of candidates, likelier ones first. False: all have been collected.
bool Sampler::Widen(const SampleInput& input, float factor) {
  const bool first = wanted_ == 0;
  if (!first && threshold_ == -kInfinity) return false;
  if (listed_) {
    wanted_ = candidates_.size();
    threshold_ = -kInfinity;
    for (Candidate& candidate : candidates_) candidate.weight = Weight(candidate.logit, factor);
    return true;
  }
  wanted_ = first ? kCandidatesFirst : wanted_ * kWidening;
  float threshold = -kInfinity;
  if (wanted_ < span_max_.size()) {
    sorted_max_ = span_max_;
    std::nth_element(sorted_max_.begin(), sorted_max_.begin() + static_cast<ptrdiff_t>(wanted_) - 1,
                     sorted_max_.end(), std::greater<>());
    threshold = sorted_max_[wanted_ - 1];
  }
  for (uint32_t s = 0; s < span_max_.size(); ++s) {
    if (span_max_[s] < threshold || span_max_[s] == -kInfinity) continue;
    const auto values = Span(input, s);
    for (size_t i = 0; i < values.size(); ++i) {
      const float logit = values[i];
      if (!(logit >= threshold) || (!first && logit >= threshold_)) continue;
      const double weight = Weight(logit, factor);
      if (weight > 0) candidates_.push_back({logit, s * kSpan + static_cast<TokenId>(i), weight});
    }
  }
  threshold_ = threshold;
  return true;
}

double Sampler::TotalWeight(const SampleInput& input, float factor) {
  if (listed_) {
    Widen(input, factor);
    return WeightOf(0, candidates_.size());
  }
  double total = 0;
  for (uint32_t s = 0; s < span_max_.size(); ++s) {
    if (!((span_max_[s] - max_) * factor > kExponentMin)) continue;
    const auto values = Span(input, s);
    total += math_.exp_sum(values.data(), max_, factor, static_cast<uint32_t>(values.size()));
  }
  return total;
}

double Sampler::WeightOf(size_t begin, size_t end) const {
  double sum = 0;
  for (size_t i = begin; i < end; ++i) sum += candidates_[i].weight;
  return sum;
}

// Of candidates [begin, end) in order of likelihood, the first with which the sum of weights,
// starting from `before`, passes `target`; the last if none does. Afterwards everything before the
// index returned is likelier than what stands there, everything behind it is not: a quickselect by
// weight, so that no long range is ever sorted.
size_t Sampler::FindCrossing(size_t begin, size_t end, double before, double target) {
  const auto at = [&](size_t i) { return candidates_.begin() + static_cast<ptrdiff_t>(i); };
  while (end - begin > kSortedRange) {
    const size_t middle = begin + (end - begin) / 2;
    std::nth_element(at(begin), at(middle), at(end), Likelier);
    const double weight = WeightOf(begin, middle);
    if (before + weight > target) {
      end = middle;
    } else {
      before += weight;
      begin = middle;
    }
  }
  std::sort(at(begin), at(end), Likelier);
  for (size_t i = begin; i + 1 < end; ++i) {
    before += candidates_[i].weight;
    if (before > target) return i;
  }
  return end - 1;
}

// Leaves the `count` likeliest candidates, sorted.
void Sampler::CollectTop(const SampleInput& input, float factor, size_t count) {
  do {
    if (!Widen(input, factor)) break;
  } while (candidates_.size() < count);
  if (candidates_.size() > count) {
    std::nth_element(candidates_.begin(), candidates_.begin() + static_cast<ptrdiff_t>(count),
                     candidates_.end(), Likelier);
    candidates_.resize(count);
  }
  std::sort(candidates_.begin(), candidates_.end(), Likelier);
}

TokenId Sampler::DrawFrom(size_t end, double uniform) {
  return candidates_[FindCrossing(0, end, 0, uniform * WeightOf(0, end))].token;
}

TokenId Sampler::Draw(const SampleInput& input) {
  const SamplingParams& params = *input.params;
  const float factor = 1.0f / params.temperature;
  const double uniform = UniformAt(params.seed, params.choice, input.position);
  const bool top_k = params.top_k > 0 && params.top_k < input.vocabulary;
  const bool top_p = params.top_p < 1;

  if (!top_k && !top_p && params.min_p <= 0) {
    const double target = uniform * TotalWeight(input, factor);
    if (listed_) return candidates_[FindCrossing(0, candidates_.size(), 0, target)].token;
    double before = 0;
    size_t begin = 0;
    while (Widen(input, factor)) {
      const size_t end = candidates_.size();
      const double weight = WeightOf(begin, end);
      if (before + weight > target) {
        return candidates_[FindCrossing(begin, end, before, target)].token;
      }
      before += weight;
      begin = end;
    }
    // Rounding between two ways of adding up the same weights: the draw was at the very end.
    return candidates_[FindCrossing(0, candidates_.size(), 0, target)].token;
  }

  size_t end = 0;
  if (top_k) {
    CollectTop(input, factor, params.top_k);
    end = candidates_.size();
    if (top_p) {
      const double target = double{params.top_p} * WeightOf(0, end);
      end = FindCrossing(0, end, 0, std::nextafter(target, -1.0)) + 1;
    }
  } else if (top_p) {
    // The smallest set of likeliest tokens whose probabilities reach top_p (Holtzman et al. 2020).
    const double target = std::nextafter(double{params.top_p} * TotalWeight(input, factor), -1.0);
    double before = 0;
    size_t begin = 0;
    if (listed_) end = FindCrossing(0, candidates_.size(), 0, target) + 1;
    while (end == 0 && Widen(input, factor)) {
      const double weight = WeightOf(begin, candidates_.size());
      if (before + weight > target) {
        end = FindCrossing(begin, candidates_.size(), before, target) + 1;
      }
      before += weight;
      begin = candidates_.size();
    }
    if (end == 0) end = candidates_.size();
  } else {
    while (Widen(input, factor) &&
           (threshold_ == -kInfinity ? false : Weight(threshold_, factor) >= params.min_p)) {
    }
    end = candidates_.size();
  }
  if (params.min_p > 0) {  // weights are relative to the likeliest token's
    const auto kept = std::stable_partition(
        candidates_.begin(), candidates_.begin() + static_cast<ptrdiff_t>(end),
        [&](const Candidate& candidate) { return candidate.weight >= double{params.min_p}; });
    end = std::max<size_t>(1, static_cast<size_t>(kept - candidates_.begin()));
  }
  return DrawFrom(end, uniform);
}

void RawLogprobs(const SamplerMath& math, const float* logits, uint32_t vocabulary, TokenId token,
                 uint32_t top, SampledToken& out) {
  const uint32_t spans = Spans(vocabulary);
  std::vector<float> span_max(spans);
  float max = -kInfinity;
  for (uint32_t s = 0; s < spans; ++s) {
    span_max[s] = math.max(logits + s * kSpan, std::min(kSpan, vocabulary - s * kSpan));
    max = std::max(max, span_max[s]);
  }
  double sum = 0;
  for (uint32_t s = 0; s < spans; ++s) {
    sum += math.exp_sum(logits + s * kSpan, max, 1.0f, std::min(kSpan, vocabulary - s * kSpan));
  }
  const double log_sum = max + std::log(sum);
  out.token = token;
  out.logprob = static_cast<float>(logits[token] - log_sum);
  out.top.clear();
  if (top == 0) return;
  float threshold = -kInfinity;
  if (top < spans) {
    std::vector<float> sorted = span_max;
    std::nth_element(sorted.begin(), sorted.begin() + top - 1, sorted.end(), std::greater<>());
    threshold = sorted[top - 1];
  }
  for (uint32_t s = 0; s < spans; ++s) {
    if (span_max[s] < threshold) continue;
    const uint32_t end = std::min(vocabulary, (s + 1) * kSpan);
    for (uint32_t i = s * kSpan; i < end; ++i) {
      if (logits[i] >= threshold) {
        out.top.push_back({i, static_cast<float>(logits[i] - log_sum)});
      }
    }
  }
  const size_t count = std::min<size_t>(top, out.top.size());
  std::partial_sort(out.top.begin(), out.top.begin() + static_cast<ptrdiff_t>(count), out.top.end(),
                    [&](const TokenLogprob& a, const TokenLogprob& b) {
                      return logits[a.token] > logits[b.token] ||
                             (logits[a.token] == logits[b.token] && a.token < b.token);
                    });
  out.top.resize(count);
}

}  // namespace infe::engine

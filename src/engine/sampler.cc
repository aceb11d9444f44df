#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "base/random.h"

namespace infe::engine {
namespace {

// Spans are what is skipped or looked into as a whole: 1 KiB of logits, four words of a mask.
constexpr uint32_t kSpan = model::kLogitSpan;
static_assert(kSpan == kWeighCount);
// A first look takes at least so many candidates: most draws end among them.
constexpr size_t kNearSpans = 64;
// Below this a range of candidates is sorted instead of being halved again.
constexpr size_t kSortedRange = 128;
// The histogram of a far draw: buckets of 1/32 in the exponent, the last one open.
constexpr uint32_t kBuckets = 1024;
constexpr float kBucketsPerUnit = 32;
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

float InverseTemperature(const SamplingParams& params) {
  const bool greedy =
      params.temperature < kTemperatureMin || params.top_k == 1 || params.top_p <= 0;
  return greedy ? 0 : 1.0f / params.temperature;
}

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
  const uint64_t* mask = input.mask.empty() ? nullptr : input.mask.data() + begin / 64;
  const auto values = model::MaskSpan(input.logits + begin, count, mask, scratch_.data());
  auto patch = std::lower_bound(patches_.begin(), patches_.end(), begin, ById);
  if (values.empty() || patch == patches_.end() || patch->first >= begin + count) return values;
  if (values.data() != scratch_.data()) {
    std::copy(values.begin(), values.end(), scratch_.begin());
    mask = nullptr;
  }
  for (; patch != patches_.end() && patch->first < begin + count; ++patch) {
    const uint32_t at = patch->first - begin;
    if (mask == nullptr || ((mask[at / 64] >> (at % 64)) & 1) != 0) scratch_[at] = patch->second;
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
  span_weight_.resize(spans);
  auto patch = patches_.begin();
  for (uint32_t s = 0; s < spans; ++s) {
    const TokenId end = (s + 1) * kSpan;
    const bool patched = patch != patches_.end() && patch->first < end;
    while (patch != patches_.end() && patch->first < end) ++patch;
    const model::LogitSummary summary = s < input.summaries.size() && !patched
                                            ? input.summaries[s]
                                            : model::Summarise(kernels_, Span(input, s), 0);
    span_max_[s] = summary.max;
    span_weight_[s] = summary.weight;
    max_ = std::max(max_, summary.max);
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
  return InverseTemperature(*input.params) > 0 ? Draw(input) : Greedy(input);
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

// Collects everything at least as likely as the best of the `spans` best spans' worst: so many
// candidates or more.
void Sampler::CollectSpans(const SampleInput& input, size_t spans) {
  threshold_ = -kInfinity;
  if (spans < span_max_.size()) {
    sorted_max_ = span_max_;
    std::nth_element(sorted_max_.begin(), sorted_max_.begin() + static_cast<ptrdiff_t>(spans) - 1,
                     sorted_max_.end(), std::greater<>());
    threshold_ = sorted_max_[spans - 1];
  }
  for (uint32_t s = 0; s < span_max_.size(); ++s) {
    if (span_max_[s] < threshold_ || span_max_[s] == -kInfinity) continue;
    const auto values = Span(input, s);
    for (size_t i = 0; i < values.size(); ++i) {
      if (!(values[i] >= threshold_ && values[i] > -kInfinity)) continue;
      const double weight = Weight(values[i]);
      if (weight > 0) {
        candidates_.push_back({values[i], s * kSpan + static_cast<TokenId>(i), weight});
      }
    }
  }
}

double Sampler::SpanWeight(const SampleInput& input, uint32_t span) {
  double& weight = span_weight_[span];
  if (weight < 0) weight = model::Summarise(kernels_, Span(input, span), factor_).weight;
  return weight;
}

// The weights of the spans' maxima relative to the row's, by which their own weights scale.
void Sampler::WeighSpans() {
  const size_t spans = span_max_.size();
  max_weight_.resize((spans + kWeighCount - 1) / kWeighCount * kWeighCount);
  float maxima[kWeighCount];
  int32_t buckets[kWeighCount];
  for (size_t s = 0; s < spans; s += kWeighCount) {
    const size_t count = std::min<size_t>(kWeighCount, spans - s);
    std::copy_n(span_max_.begin() + static_cast<ptrdiff_t>(s), count, maxima);
    std::fill(maxima + count, maxima + kWeighCount, -kInfinity);
    Weigh(maxima, max_, factor_, kBucketsPerUnit, static_cast<float>(kBuckets - 1),
          max_weight_.data() + s, buckets);
  }
}

double Sampler::TotalWeight(const SampleInput& input) {
  WeighSpans();
  double total = 0;
  for (uint32_t s = 0; s < span_max_.size(); ++s) {
    if (max_weight_[s] > 0) total += max_weight_[s] * SpanWeight(input, s);
  }
  return total;
}

// A draw from all tokens: laid end to end in order of id, so that only one span is looked into.
TokenId Sampler::DrawPlain(const SampleInput& input, double uniform) {
  double rest = uniform * TotalWeight(input);
  uint32_t span = 0;
  for (uint32_t s = 0; s < span_max_.size(); ++s) {
    if (!(max_weight_[s] > 0)) continue;
    span = s;  // the last one that weighs anything, if rounding leads past all
    const double weight = max_weight_[s] * span_weight_[s];
    if (rest < weight) break;
    rest -= weight;
  }
  const auto values = Span(input, span);
  float padded[kSpan];
  float weights[kSpan];
  int32_t buckets[kSpan];
  std::fill(std::copy(values.begin(), values.end(), padded), padded + kSpan, -kInfinity);
  Weigh(padded, span_max_[span], factor_, kBucketsPerUnit, static_cast<float>(kBuckets - 1),
        weights, buckets);
  rest /= max_weight_[span];
  TokenId token = 0;
  for (uint32_t i = 0; i < kSpan; ++i) {
    if (!(weights[i] > 0)) continue;
    token = span * kSpan + i;
    if (rest < weights[i]) break;
    rest -= weights[i];
  }
  return token;
}

double Sampler::WeightOf(const std::vector<Candidate>& from, size_t end) {
  double sum = 0;
  for (size_t i = 0; i < end; ++i) sum += from[i].weight;
  return sum;
}

// Of the first `end` candidates in order of likelihood, the first with which the sum of weights,
// starting from `before`, passes `target`; the last if none does. Afterwards everything before the
// index returned is likelier than what stands there, everything behind it is not: a quickselect by
// weight, so that no long range is ever sorted.
size_t Sampler::FindCrossing(std::vector<Candidate>& from, size_t end, double before,
                             double target) {
  const auto at = [&](size_t i) { return from.begin() + static_cast<ptrdiff_t>(i); };
  size_t begin = 0;
  while (end - begin > kSortedRange) {
    const size_t middle = begin + (end - begin) / 2;
    std::nth_element(at(begin), at(middle), at(end), Likelier);
    double weight = 0;
    for (size_t i = begin; i < middle; ++i) weight += from[i].weight;
    if (before + weight > target) {
      end = middle;
    } else {
      before += weight;
      begin = middle;
    }
  }
  std::sort(at(begin), at(end), Likelier);
  for (size_t i = begin; i + 1 < end; ++i) {
    before += from[i].weight;
    if (before > target) return i;
  }
  return end - 1;
}

// All candidates are there: cut, then draw.
TokenId Sampler::DrawListed(const SamplingParams& params, double uniform) {
  size_t end = candidates_.size();
  if (params.top_k > 0 && params.top_k < end) {
    end = params.top_k;
    std::nth_element(candidates_.begin(), candidates_.begin() + static_cast<ptrdiff_t>(end),
                     candidates_.end(), Likelier);
  }
  if (params.top_p < 1) {
    const double target = double{params.top_p} * WeightOf(candidates_, end);
    end = FindCrossing(candidates_, end, 0, std::nextafter(target, -1.0)) + 1;
  }
  if (params.min_p > 0) {  // weights are relative to the likeliest token's
    const auto kept = std::stable_partition(
        candidates_.begin(), candidates_.begin() + static_cast<ptrdiff_t>(end),
        [&](const Candidate& candidate) { return candidate.weight >= double{params.min_p}; });
    end = std::max<size_t>(1, static_cast<size_t>(kept - candidates_.begin()));
  }
  const double target = uniform * WeightOf(candidates_, end);
  return candidates_[FindCrossing(candidates_, end, 0, target)].token;
}

// A draw under top_k, top_p or min_p that the likeliest few hundred tokens decide; nullopt if they
// do not.
std::optional<TokenId> Sampler::DrawNear(const SampleInput& input, double uniform) {
  const SamplingParams& params = *input.params;
  const bool top_k = params.top_k > 0 && params.top_k < input.vocabulary;
  if (top_k && params.top_k > span_max_.size()) return std::nullopt;
  CollectSpans(input, top_k ? params.top_k : kNearSpans);
  if (top_k || threshold_ == -kInfinity) return DrawListed(params, uniform);
  const double weight = WeightOf(candidates_, candidates_.size());
  if (params.min_p > 0 && Weight(threshold_) < params.min_p && params.top_p >= 1) {
    return DrawListed(params, uniform);
  }
  if (params.top_p >= 1) return std::nullopt;
  // The smallest set that reaches top_p of a total weight (Holtzman et al. 2020), the likeliest
  // first; 0: more than the candidates.
  const auto selected = [&](double total) -> size_t {
    const double edge = std::nextafter(double{params.top_p} * total, -1.0);
    return weight > edge ? FindCrossing(candidates_, candidates_.size(), 0, edge) + 1 : 0;
  };
  // Often the bounds of the total agree, and it need not be computed.
  size_t end = selected(weight + RestBound());
  if (end == 0 || end != selected(weight)) end = selected(TotalWeight(input));
  if (end == 0) return std::nullopt;
  candidates_.resize(end);
  SamplingParams rest;
  rest.min_p = params.min_p;
  return DrawListed(rest, uniform);
}

// Not less than the weight of everything that CollectSpans left out.
double Sampler::RestBound() {
  sorted_max_ = span_max_;
  for (float& max : sorted_max_) max = std::min(max, threshold_);
  const double sum = kernels_.exp_sum(sorted_max_.data(), max_, factor_,
                                      static_cast<uint32_t>(sorted_max_.size()));
  return sum * kSpan * (1 + 1e-6);
}

uint32_t Sampler::BucketOf(float logit) const {
  const float bucket = (max_ - logit) * factor_ * kBucketsPerUnit;
  return static_cast<uint32_t>(std::min(bucket, static_cast<float>(kBuckets - 1)));
}

void Sampler::MakeHistogram(const SampleInput& input) {
  bucket_weight_.assign(kBuckets, 0);
  bucket_count_.assign(kBuckets, 0);
  float padded[kSpan];
  float weights[kSpan];
  int32_t buckets[kSpan];
  for (uint32_t s = 0; s < span_max_.size(); ++s) {
    if (span_max_[s] == -kInfinity) continue;
    const auto values = Span(input, s);
    const float* x = values.data();
    if (values.size() < kSpan) {
      std::fill(std::copy(values.begin(), values.end(), padded), padded + kSpan, -kInfinity);
      x = padded;
    }
    Weigh(x, max_, factor_, kBucketsPerUnit, static_cast<float>(kBuckets - 1), weights, buckets);
    for (uint32_t i = 0; i < kSpan; ++i) {
      bucket_weight_[static_cast<size_t>(buckets[i])] += weights[i];
      bucket_count_[static_cast<size_t>(buckets[i])] += x[i] > -kInfinity ? 1 : 0;
    }
  }
}

void Sampler::CollectBucket(const SampleInput& input, uint32_t bucket,
                            std::vector<Candidate>& into) {
  into.clear();
  if (bucket >= kBuckets) return;
  // Logits of the bucket, a little more generously; BucketOf decides.
  const float unit = factor_ * kBucketsPerUnit;
  const float high = max_ - (static_cast<float>(bucket) - 0.5f) / unit;
  const float low =
      bucket + 1 == kBuckets ? -kInfinity : max_ - (static_cast<float>(bucket) + 1.5f) / unit;
  for (uint32_t s = 0; s < span_max_.size(); ++s) {
    if (span_max_[s] == -kInfinity || BucketOf(span_max_[s]) > bucket) continue;
    const auto values = Span(input, s);
    for (size_t i = 0; i < values.size(); ++i) {
      if (!(values[i] > low) || !(values[i] <= high) || BucketOf(values[i]) != bucket) continue;
      into.push_back({values[i], s * kSpan + static_cast<TokenId>(i), Weight(values[i])});
    }
  }
}

// The `count` likeliest tokens.
Sampler::Cut Sampler::CutByCount(const SampleInput& input, size_t count) {
  Cut cut;
  size_t before = 0;
  while (cut.bucket + 1 < kBuckets && before + bucket_count_[cut.bucket] < count) {
    before += bucket_count_[cut.bucket];
    cut.weight_before += bucket_weight_[cut.bucket++];
  }
  CollectBucket(input, cut.bucket, cut.kept);
  if (cut.kept.size() > count - before) {
    std::nth_element(cut.kept.begin(), cut.kept.begin() + static_cast<ptrdiff_t>(count - before),
                     cut.kept.end(), Likelier);
    cut.kept.resize(count - before);
  }
  cut.weight = cut.weight_before + WeightOf(cut.kept, cut.kept.size());
  return cut;
}

// The shortest prefix of `within` whose weight passes `target`, or all of it.
Sampler::Cut Sampler::CutByWeight(const SampleInput& input, const Cut& within, double target) {
  Cut cut;
  while (cut.bucket < within.bucket && !(cut.weight_before + bucket_weight_[cut.bucket] > target)) {
    cut.weight_before += bucket_weight_[cut.bucket++];
  }
  if (cut.bucket == within.bucket) {
    cut.kept = within.kept;
  } else {
    CollectBucket(input, cut.bucket, cut.kept);
  }
  if (!cut.kept.empty()) {
    cut.kept.resize(FindCrossing(cut.kept, cut.kept.size(), cut.weight_before, target) + 1);
  }
  cut.weight = cut.weight_before + WeightOf(cut.kept, cut.kept.size());
  return cut;
}

// The tokens of `within` with at least min_p times the weight of the likeliest, which is 1.
Sampler::Cut Sampler::CutByRatio(const SampleInput& input, const Cut& within, double min_p) {
  const auto edge = static_cast<uint32_t>(
      std::min<double>(-std::log(min_p) * double{kBucketsPerUnit}, kBuckets - 1));
  // The bucket next to the edge may hold some that pass, by rounding.
  Cut cut;
  cut.bucket = std::min(edge + 1, std::min(within.bucket, kBuckets - 1));
  while (true) {
    if (cut.bucket == within.bucket) {
      cut.kept = within.kept;
    } else {
      CollectBucket(input, cut.bucket, cut.kept);
    }
    std::erase_if(cut.kept, [&](const Candidate& c) { return !(c.weight >= min_p); });
    if (!cut.kept.empty() || cut.bucket == 0) break;
    --cut.bucket;
  }
  for (uint32_t b = 0; b < cut.bucket; ++b) cut.weight_before += bucket_weight_[b];
  cut.weight = cut.weight_before + WeightOf(cut.kept, cut.kept.size());
  return cut;
}

TokenId Sampler::DrawWithin(const SampleInput& input, const Cut& cut, double target) {
  // The same search as CutByWeight, and its last token.
  Cut found = CutByWeight(input, cut, target);
  while (found.kept.empty()) {  // rounding has led into an empty bucket
    INFE_CHECK(found.bucket > 0);
    CollectBucket(input, --found.bucket, found.kept);
  }
  return found.kept.back().token;
}

// Any draw, by a histogram of weights: only the bucket that decides is ever looked into.
TokenId Sampler::DrawFar(const SampleInput& input, double uniform) {
  const SamplingParams& params = *input.params;
  MakeHistogram(input);
  Cut cut;
  if (params.top_k > 0 && params.top_k < input.vocabulary) {
    cut = CutByCount(input, params.top_k);
  } else {
    cut.bucket = kBuckets;  // everything
    for (const double weight : bucket_weight_) cut.weight += weight;
    cut.weight_before = cut.weight;
  }
  if (params.top_p < 1) {
    cut = CutByWeight(input, cut, std::nextafter(double{params.top_p} * cut.weight, -1.0));
  }
  if (params.min_p > 0) cut = CutByRatio(input, cut, params.min_p);
  return DrawWithin(input, cut, uniform * cut.weight);
}

TokenId Sampler::Draw(const SampleInput& input) {
  const SamplingParams& params = *input.params;
  factor_ = InverseTemperature(params);
  const double uniform = UniformAt(params.seed, params.choice, input.position);
  const bool plain = (params.top_k == 0 || params.top_k >= input.vocabulary) && params.top_p >= 1 &&
                     !(params.min_p > 0);
  if (listed_) {
    for (Candidate& candidate : candidates_) candidate.weight = Weight(candidate.logit);
    if (!plain) return DrawListed(params, uniform);
    double rest = uniform * WeightOf(candidates_, candidates_.size());
    const auto found = std::find_if(candidates_.begin(), candidates_.end(), [&](const auto& c) {
      const bool here = rest < c.weight;
      rest -= c.weight;
      return here;
    });
    return found == candidates_.end() ? candidates_.back().token : found->token;
  }
  if (plain) return DrawPlain(input, uniform);
  if (const auto token = DrawNear(input, uniform)) return *token;
  return DrawFar(input, uniform);
}

void RawLogprobs(const kernels::KernelTable& kernels, const float* logits, uint32_t vocabulary,
                 TokenId token, uint32_t top, SampledToken& out) {
  const uint32_t spans = Spans(vocabulary);
  std::vector<float> span_max(spans);
  float max = -kInfinity;
  for (uint32_t s = 0; s < spans; ++s) {
    uint32_t index = 0;
    span_max[s] =
        kernels.max_index(logits + s * kSpan, std::min(kSpan, vocabulary - s * kSpan), &index);
    max = std::max(max, span_max[s]);
  }
  double sum = 0;
  for (uint32_t s = 0; s < spans; ++s) {
    sum += kernels.exp_sum(logits + s * kSpan, max, 1.0f, std::min(kSpan, vocabulary - s * kSpan));
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

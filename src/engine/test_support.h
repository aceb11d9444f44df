// Helpers of the engine's tests: a sink that records, a plain slow sampler, and texts made by it.
#pragma once

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
#include "engine/core.h"
#include "engine/fake_matcher.h"
#include "engine/fake_model.h"

namespace infe::engine {

class RecordingSink : public TokenSink {
 public:
  void OnEvent(TokenEvent event) override {
    const std::lock_guard lock(mutex_);
    ++events;
    for (SampledToken& token : event.tokens) {
      tokens.push_back(token.token);
      sampled.push_back(std::move(token));
    }
    for (SampledToken& token : event.prompt_tokens) prompt.push_back(std::move(token));
    if (event.finished) {
      ++finished;
      last = std::move(event);
      done_.notify_all();
    }
  }
  void Wait() {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [&] { return finished > 0; });
  }
  size_t count() {
    const std::lock_guard lock(mutex_);
    return tokens.size();
  }

  std::vector<TokenId> tokens;
  std::vector<SampledToken> sampled;
  std::vector<SampledToken> prompt;
  TokenEvent last;
  int finished = 0;
  int events = 0;

 private:
  std::mutex mutex_;
  std::condition_variable done_;
};

inline std::vector<TokenId> RandomTokens(uint64_t seed, uint32_t count, uint32_t vocabulary = 97) {
  std::vector<TokenId> tokens(count);
  for (uint32_t i = 0; i < count; ++i) {
    tokens[i] = static_cast<TokenId>(UniformAt(seed, 99, i) * vocabulary);
  }
  return tokens;
}

// Sampling as the documents say it, by sorting everything, in double precision.
inline TokenId SlowSample(std::vector<double> logits, const SamplingParams& params,
                          const std::vector<bool>& allowed, std::span<const TokenId> prompt,
                          std::span<const TokenId> output, uint64_t position) {
  std::vector<int> generated(logits.size(), 0);
  std::vector<bool> seen(logits.size(), false);
  for (const TokenId t : prompt) seen[t] = true;
  for (const TokenId t : output) seen[t] = true, ++generated[t];
  for (size_t t = 0; t < logits.size(); ++t) {
    double& x = logits[t];
    if (seen[t] && params.repetition_penalty != 1) {
      x = x > 0 ? x / params.repetition_penalty : x * params.repetition_penalty;
    }
    if (generated[t] > 0) x -= params.presence_penalty + params.frequency_penalty * generated[t];
  }
  for (const auto& [token, bias] : params.logit_bias) logits[token] += bias;
  std::vector<TokenId> order;
  for (TokenId t = 0; t < logits.size(); ++t) {
    if (allowed.empty() || allowed[t]) order.push_back(t);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](TokenId a, TokenId b) { return logits[a] > logits[b]; });
  if (params.temperature == 0) return order[0];
  std::vector<double> p;
  for (const TokenId t : order)
    p.push_back(std::exp((logits[t] - logits[order[0]]) / params.temperature));
  size_t kept = order.size();
  if (params.top_k > 0) kept = std::min<size_t>(kept, params.top_k);
  if (params.top_p < 1) {
    double total = 0, sum = 0;
    for (size_t i = 0; i < kept; ++i) total += p[i];
    size_t i = 0;
    for (; i < kept; ++i) {
      sum += p[i];
      if (sum >= params.top_p * total) break;
    }
    kept = std::min(kept, i + 1);
  }
  while (kept > 1 && p[kept - 1] < params.min_p) --kept;
  double total = 0, sum = 0;
  for (size_t i = 0; i < kept; ++i) total += p[i];
  const bool plain = (params.top_k == 0 || params.top_k >= logits.size()) && params.top_p >= 1 &&
                     !(params.min_p > 0);
  if (plain) {  // nothing is cut off: in order of id
    std::vector<std::pair<TokenId, double>> by_id;
    for (size_t i = 0; i < kept; ++i) by_id.emplace_back(order[i], p[i]);
    std::sort(by_id.begin(), by_id.end());
    for (size_t i = 0; i < kept; ++i) {
      order[i] = by_id[i].first;
      p[i] = by_id[i].second;
    }
  }
  const double target = UniformAt(params.seed, params.choice, position) * total;
  for (size_t i = 0; i < kept; ++i) {
    sum += p[i];
    if (sum > target) return order[i];
  }
  return order[kept - 1];
}

// The whole text of a request, token by token, without engine, blocks, batches or drafts.
struct SlowText {
  std::vector<TokenId> tokens;
  FinishReason reason = FinishReason::kLength;
};
inline SlowText SlowGenerate(const FakeModel& model, std::vector<TokenId> prompt,
                             const SamplingParams& params, uint32_t max_tokens,
                             std::vector<TokenId> end_tokens = {},
                             grammar::Matcher* matcher = nullptr) {
  SlowText text;
  const uint32_t vocabulary = model.config().vocabulary;
  std::vector<TokenId> history = prompt;
  std::vector<float> logits(vocabulary);
  while (text.tokens.size() < max_tokens) {
    model.Expected(history, logits.data());
    std::vector<bool> allowed;
    if (matcher != nullptr) {
      for (TokenId t = 0; t < vocabulary; ++t) allowed.push_back(matcher->Allows(t));
    }
    const TokenId token = SlowSample({logits.begin(), logits.end()}, params, allowed, prompt,
                                     text.tokens, history.size());
    if (std::find(end_tokens.begin(), end_tokens.end(), token) != end_tokens.end()) {
      text.reason = FinishReason::kStop;
      return text;
    }
    if (matcher != nullptr) INFE_CHECK(matcher->Accept(token).has_value());
    history.push_back(token);
    text.tokens.push_back(token);
  }
  if (matcher != nullptr && matcher->IsWhole()) text.reason = FinishReason::kStop;
  return text;
}

// `base` with every mixture of kinds of state: positions alone, with a window, with a running
// state, with both.
inline std::vector<FakeModelOptions> EveryState(uint32_t window, FakeModelOptions base = {}) {
  std::vector<FakeModelOptions> all;
  for (const uint32_t w : {0u, window}) {
    for (const bool running : {false, true}) {
      base.window = w;
      base.running = running;
      all.push_back(base);
    }
  }
  return all;
}
inline std::string Describe(const FakeModelOptions& state) {
  return "window " + std::to_string(state.window) + (state.running ? ", running" : "");
}
// Blocks that the kinds beside positions need: for some windows, and for the states of some
// sequences with their snapshots.
inline size_t BlocksBeside(const FakeModelOptions& state, size_t windowed) {
  return (state.window > 0 ? windowed : 0) + (state.running ? 12 : 0);
}

// A core over a fake model, stepped by hand.
struct Bench {
  explicit Bench(const FakeModelOptions& model_options = {}, EngineOptions options = {})
      : model(model_options) {
    options.clock = [this] { return model.now; };
    // The default is sized for models; the fake one's blocks have 256 bytes.
    options.kv_memory_bytes = std::min(options.kv_memory_bytes, size_t{1} << 20);
    options.logits_rows_max = model_options.logits_rows_max;
    options.batch_rows_max = model_options.batch_rows_max;
    auto made = EngineCore::Create(model, options);
    INFE_CHECK(made.has_value());
    core = std::move(*made);
  }
  std::shared_ptr<RecordingSink> Add(EngineRequest request) {
    auto sink = std::make_shared<RecordingSink>();
    request.sink = sink;
    if (request.id == 0) request.id = ++last_id;
    INFE_CHECK(core->Validate(request).has_value());
    core->Add(std::move(request), model.now);
    return sink;
  }
  void RunAll(int steps_max = 100000) {
    int steps = 0;
    while (core->Step()) INFE_CHECK(++steps < steps_max);
  }
  FakeModel model;
  std::unique_ptr<EngineCore> core;
  RequestId last_id = 1000;
};

inline EngineRequest MakeRequest(std::vector<TokenId> prompt, uint32_t max_tokens,
                                 SamplingParams params = {}) {
  EngineRequest request;
  request.prompt = std::move(prompt);
  request.max_tokens = max_tokens;
  request.sampling = params;
  return request;
}

inline SamplingParams Sampled(uint64_t seed) {
  SamplingParams params;
  params.seed = seed;
  return params;
}

// Nothing is left of any request.
inline void ExpectEmpty(const EngineCore& core) {
  const EngineStats stats = core.stats();
  EXPECT_EQ(stats.running, 0u);
  EXPECT_EQ(stats.waiting, 0u);
  EXPECT_EQ(stats.kv_blocks_used, 0u);
  EXPECT_EQ(core.queued_requests(), 0u);
  EXPECT_EQ(core.queued_prompt_tokens(), 0u);
}

}  // namespace infe::engine

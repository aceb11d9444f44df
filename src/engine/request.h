// What the engine is asked and what it answers. No text, no HTTP, no JSON: token ids in, token ids
// out. An EngineRequest is handed over by value; from then on it belongs to the engine thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "grammar/matcher.h"
#include "model/model.h"
#include "tokenizer/token_id.h"

namespace infe::engine {

using model::Output;
using tokenizer::TokenId;
using RequestId = uint64_t;

// Order of application: penalties, logit_bias, grammar, temperature, top_k, top_p, min_p, draw.
struct SamplingParams {
  float temperature = 1;         // 0: greedy
  float top_p = 1;               // 1: off; 0 keeps only the likeliest token
  float min_p = 0;               // 0: off
  uint32_t top_k = 0;            // 0: off
  float presence_penalty = 0;    // over generated tokens
  float frequency_penalty = 0;   // over generated tokens
  float repetition_penalty = 1;  // over prompt and generated tokens
  std::vector<std::pair<TokenId, float>> logit_bias;
  uint64_t seed = 0;    // with `choice` and the position it fixes every draw
  uint32_t choice = 0;  // index of the choice of an n > 1 request
  bool logprobs = false;
  uint32_t top_logprobs = 0;  // 0..20
  bool ignore_eos = false;
};

enum class Priority : uint8_t { kPriority, kDefault, kFlex };

enum class FinishReason : uint8_t {
  kStop,       // an end token
  kLength,     // max_tokens or the end of the context
  kCancelled,  // by Cancel
  kDeadline,
  kError,  // TokenEvent::error says what
};

struct TokenLogprob {
  TokenId token = 0;
  float logprob = 0;  // natural logarithm, of the raw model distribution
};

struct SampledToken {
  TokenId token = 0;
  float logprob = 0;              // if asked for
  std::vector<TokenLogprob> top;  // if asked for, likeliest first, ties to the lower id
};

struct RequestTimings {
  double queue_ms = 0, prefill_ms = 0, decode_ms = 0, ttft_ms = 0;
  uint32_t prefill_tokens = 0;  // computed, without cached_tokens
  uint32_t cached_tokens = 0;
  uint32_t drafted_tokens = 0, accepted_tokens = 0;
  uint32_t predicted_accepted = 0, predicted_rejected = 0;  // of EngineRequest::prediction
};

struct TokenEvent {
  RequestId id = 0;
  std::vector<SampledToken> tokens;  // in order; the end token itself is not among them
  // With EngineRequest::prompt_logprobs: the prompt's tokens in order, before any of `tokens`. The
  // first has logprob 0 and no `top`: nothing precedes it.
  std::vector<SampledToken> prompt_tokens;
  // With EngineRequest::output: what the model made of the prompt. Set when finished with kLength.
  std::vector<float> hidden;
  bool finished = false;  // exactly one event of a request has it
  FinishReason reason = FinishReason::kStop;
  // Tokens sampled in all, an end token included. Set when finished.
  uint32_t completion_tokens = 0;
  RequestTimings timings;  // set when finished
  Error error;             // set when reason is kError
};

// Called on the engine thread; must return at once (hand the event to another thread).
class TokenSink {
 public:
  virtual ~TokenSink() = default;
  virtual void OnEvent(TokenEvent event) = 0;
};

// Watches the tokens of one sequence, and may say which comes next in place of what the model would
// sample. What it says depends on those tokens alone, so that no batch changes it. Where a grammar
// forbids that token, the model's own is sampled.
class TokenGuide {
 public:
  virtual ~TokenGuide() = default;
  virtual std::optional<TokenId> Next() const = 0;  // nullopt: whatever is sampled
  virtual void Take(TokenId token) = 0;             // the next token of the output
};

struct EngineRequest {
  RequestId id = 0;             // unique; chosen by the caller
  std::vector<TokenId> prompt;  // not empty
  SamplingParams sampling;
  // The engine also ends at the context's end with kLength. 0: the prompt is computed, and nothing
  // is sampled after it; then it may fill the whole context.
  uint32_t max_tokens = 0;
  // Other than kLogits: what is wanted of the prompt, in place of an answer (max_tokens 0).
  // kHidden: of its last token. kPooled: of all of it; that is computed in one step, so the prompt
  // has at most batch_rows_max tokens, and shares nothing with other requests: what a token is may
  // depend on those behind it.
  model::Output output = model::Output::kLogits;
  uint32_t second_from = 0;  // kPooled: as in model::BatchItem
  // Before so many, no end token and none of late_tokens is sampled; where a grammar allows nothing
  // else, it is.
  uint32_t min_tokens = 0;
  std::vector<TokenId> late_tokens = {};
  std::vector<TokenId> end_tokens;            // generation ends when one is sampled
  std::unique_ptr<grammar::Matcher> matcher;  // null: free text
  bool close_before_limit = true;             // steer a matcher's text to its end before max_tokens
  // Tokens within which that end is reached; 0: max_tokens. Smaller than max_tokens, it leaves room
  // for the end token, so that the text ends with kStop.
  uint32_t close_within = 0;
  // With close_before_limit: from so many tokens on no optional item of an array or object is begun
  // any more and no further word of a string, so that the text ends at the next place that is fit
  // for it; and keys of the model's own choice are kept short from the beginning. 0: never.
  uint32_t wind_down_after = 0;
  std::unique_ptr<TokenGuide> guide;  // null: none
  std::vector<TokenId> prediction;    // draft supplied by the client; never changes the output
  std::string cache_salt;             // prefixes are shared only between equal salts
  std::string fairness_key;           // whose virtual counter pays
  double fairness_weight = 1;         // > 0: a key of weight 2 gets twice the service of one of 1
  Priority priority = Priority::kDefault;
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
  bool prompt_logprobs = false;     // also report logprobs of prompt tokens (completions echo)
  std::shared_ptr<TokenSink> sink;  // shared: the server's stream state and the engine both hold it
};

}  // namespace infe::engine

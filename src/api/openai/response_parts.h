// What full answers and streams have in common: the head (id, model, ...), finish reasons, token
// probabilities, usage, timings and the extras of the last chunk. The Append functions write JSON
// text to the end of a string.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/json_text.h"
#include "api/openai/service_tier.h"

namespace infe::api {

enum class FinishReason { kStop, kLength, kToolCalls, kContentFilter, kFunctionCall };
std::string_view Name(FinishReason reason);

// The same on every chunk of a stream.
struct ResponseHead {
  std::string id = {};                           // NewChatCompletionId(); unique, never reused
  int64_t created = 0;                           // seconds since 1970
  std::string model = {};                        // the name that was requested
  std::string fingerprint = {};                  // system_fingerprint, "fp_..."
  std::optional<ServiceTier> service_tier = {};  // where the request named one
};

// What a token outside the likeliest 20 may show, and what -infinity becomes: JSON has none.
inline constexpr float kLogprobMin = -9999.0F;

struct TokenProbability {
  std::string bytes = {};  // the token's raw bytes; a special token's name
  bool special = false;    // special tokens have no bytes of their own
  float logprob = 0;       // natural logarithm, <= 0
};
struct TokenLogprob {
  TokenProbability token = {};
  std::vector<TokenProbability> top = {};  // likeliest first
};

// The token as readable text: its bytes where they are UTF-8, else \xe2\x80 for each byte.
std::string TokenText(const TokenProbability& token);
// {"content":[...],"refusal":null}
void AppendLogprobs(std::string& out, const std::vector<TokenLogprob>& tokens);

struct Usage {
  int64_t prompt_tokens = 0;  // with n > 1 counted once
  int64_t completion_tokens = 0;
  int64_t cached_tokens = 0;  // of prompt_tokens
  int64_t reasoning_tokens = 0;
  int64_t accepted_prediction_tokens = 0;
  int64_t rejected_prediction_tokens = 0;
};
void AppendUsage(std::string& out, const Usage& usage);

struct Timings {
  // From arrival to the engine: waiting for threads, parsing, template, tokens, grammar.
  double prepare_ms = 0;
  double queue_ms = 0;
  double prefill_ms = 0;
  double decode_ms = 0;
  double ttft_ms = 0;
  double total_ms = 0;
  int64_t prefill_tokens = 0;
  int64_t cached_tokens = 0;
  double prefill_tokens_per_second = 0;
  double decode_tokens_per_second = 0;
  int64_t drafted_tokens = 0;
  int64_t accepted_tokens = 0;
};
void AppendTimings(std::string& out, const Timings& timings);

// What stands beside `usage` in a full answer and in the last JSON chunk of a stream.
struct ResponseExtras {
  std::optional<int64_t> seed = {};
  std::optional<Timings> timings = {};
  std::optional<std::vector<std::pair<std::string, std::string>>> metadata =
      {};                                          // where it was sent
  std::optional<int64_t> truncated_messages = {};  // truncation: auto
  std::vector<std::string> unenforced = {};        // schema keywords with their paths; x_unenforced
};
void AppendExtras(ObjectText& object, const ResponseExtras& extras);
// The same as further members of an object that has some already: ,"seed":7,...
void AppendExtraMembers(std::string& out, const ResponseExtras& extras);

}  // namespace infe::api

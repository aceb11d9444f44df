// The body of POST /v1/completions: the older text completion, over the same engine and sampling
// fields as chat.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "api/openai/ignored_params.h"
#include "api/openai/output_format.h"
#include "api/openai/sampling.h"
#include "api/openai/service_tier.h"
#include "api/parse_options.h"
#include "api/parsed.h"

namespace infe::api {

// Text, or token ids (>= 0; whether the vocabulary holds them is the handler's to check).
using CompletionPrompt = std::variant<std::string, std::vector<int64_t>>;

struct CompletionRequest {
  std::string model;
  // 1..prompts_max. Prompt p, choice i has the index p * n + i in the answer.
  std::vector<CompletionPrompt> prompts;
  Streaming streaming;
  Sampling sampling;
  std::optional<std::string> suffix;  // what follows the answer: the model fills in between
  int64_t max_tokens = 16;            // >= 0, OpenAI's default
  int n = 1;                          // best_of is the same or absent
  bool echo = false;                  // the prompt comes first in the text
  std::optional<int> logprobs;        // 0..5 alternatives per token; with echo also of the prompt's
  OutputFormat format;
  std::optional<ServiceTier> service_tier;
  std::string prompt_cache_key;   // "" if none
  std::string cache_salt;         // "" if none
  std::string user;               // "" if none
  std::string safety_identifier;  // "" if none
  IgnoredParams ignored;
};

Parsed<CompletionRequest> ParseCompletionRequest(std::string_view body,
                                                 const ParseOptions& options = {});

}  // namespace infe::api

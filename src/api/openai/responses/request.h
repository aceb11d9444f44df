// The body of POST /v1/responses (and of its input_tokens twin), parsed and validated once. What
// needs a model or what is kept is left to the handler: that the model exists, the length of the
// prompt, what previous_response_id, conversation and item references stand for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "answer/ask.h"
#include "api/openai/ignored_params.h"
#include "api/openai/metadata.h"
#include "api/openai/output_format.h"
#include "api/openai/responses/item.h"
#include "api/openai/responses/tools.h"
#include "api/openai/sampling.h"
#include "api/openai/service_tier.h"
#include "api/parse_options.h"
#include "api/parsed.h"

namespace infe::api::responses {

// How the reasoning of a model that thinks comes out.
struct ReasoningWish {
  std::optional<answer::Effort> effort = {};
  std::optional<std::string> summary = {};  // "auto", ...: as a summary instead of as content
  bool sealed = false;                      // with encrypted_content
};

std::string_view Name(answer::Effort effort);

struct Request {
  std::string model;
  std::vector<Item> input;
  std::string instructions;                        // "" if none
  std::string previous_response_id, conversation;  // "" if none; not both
  bool store = true;
  bool background = false;
  Streaming streaming;
  Sampling sampling;
  std::optional<int64_t> max_output_tokens;  // >= 1
  std::optional<int64_t> max_tool_calls;     // of tools that infe runs: it runs none
  bool logprobs = false;
  std::optional<int64_t> top_logprobs;  // 0..20
  OutputFormat format;
  std::string verbosity = "medium";
  ToolUse tool_use;
  std::optional<ServiceTier> service_tier;
  std::optional<Metadata> metadata;
  std::string prompt_cache_key, user, safety_identifier;  // "" if none
  ReasoningWish reasoning;
  bool truncates = false;  // truncation: auto
  IgnoredParams ignored;   // the handler adds what the model's template has no place for
};

// What a request must have. Its twin that counts tokens may leave out nearly all.
Parsed<Request> ParseRequest(std::string_view body, const ParseOptions& options = {});

}  // namespace infe::api::responses

// The body of POST /v1/chat/completions (and of its input_tokens and render twins), parsed and
// validated once. What needs a model to be checked is left to the handler: that the model exists,
// the length of the prompt, that token ids are in the vocabulary, that schemas and grammars
// compile.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/openai/ignored_params.h"
#include "api/openai/message.h"
#include "api/openai/metadata.h"
#include "api/openai/output_format.h"
#include "api/openai/sampling.h"
#include "api/openai/service_tier.h"
#include "api/openai/thinking.h"
#include "api/openai/tool.h"
#include "api/parse_options.h"
#include "api/parsed.h"

namespace infe::api {

enum class Truncation {
  kDisabled,  // a prompt that does not fit is a 400
  kAuto,      // drop the oldest turns after the system message
};

enum class Turn {
  kNext,       // the model's, behind the last message
  kContinued,  // the last message's, which is the assistant's: the answer goes on with its text
  kNone,       // the prompt ends as the template ends the last message
};

struct ChatCompletionRequest {
  std::string model;
  std::vector<Message> messages;  // 1..messages_max; roles and tool answers are in a legal order
  Streaming streaming;
  Sampling sampling;
  std::optional<int64_t> max_tokens;  // >= 1, of max_tokens or max_completion_tokens
  int n = 1;                          // 1..n_max
  bool logprobs = false;
  int top_logprobs = 0;  // 0..20
  OutputFormat format;
  ToolUse tool_use;
  std::optional<std::string> prediction;  // the text expected; never changes the answer
  std::optional<ServiceTier> service_tier;
  std::optional<Metadata> metadata;  // to be echoed
  bool store = false;                // the answer is to be kept
  std::string prompt_cache_key;      // "" if none
  std::string cache_salt;            // "" if none
  std::string user;                  // "" if none
  std::string safety_identifier;     // "" if none
  ThinkingFields thinking;
  Turn turn = Turn::kNext;
  Truncation truncation = Truncation::kDisabled;
  IgnoredParams ignored;  // the handler adds what the model's template has no place for
};

Parsed<ChatCompletionRequest> ParseChatCompletionRequest(std::string_view body,
                                                         const ParseOptions& options = {});

}  // namespace infe::api

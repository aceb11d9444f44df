// The body of POST /v1/messages and of its twin count_tokens, parsed and validated once. What needs
// a model to be checked is left to the handler.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "answer/ask.h"
#include "api/anthropic/message.h"
#include "api/anthropic/tool.h"
#include "api/openai/ignored_params.h"
#include "api/parse_options.h"
#include "api/parsed.h"
#include "base/json.h"
#include "base/partial_sampling.h"

namespace infe::api::anthropic {

struct Thinking {
  enum class Type { kDisabled, kEnabled, kAdaptive };
  enum class Display {
    kShown,
    kOmitted,  // the answer has the block, but not what was thought
  };
  Type type = Type::kDisabled;
  std::optional<int64_t> budget_tokens = {};  // kEnabled
  Display display = Display::kShown;
};

struct MessagesRequest {
  std::string model;
  std::vector<std::string> system;  // texts, in order
  std::vector<Message> messages;    // 1..messages_max
  int64_t max_tokens = 0;           // >= 1; of count_tokens 0
  bool stream = false;
  PartialSampling sampling;
  std::optional<uint64_t> seed;  // an extension: below 2^63
  std::vector<std::string> stop_sequences;
  ToolUse tool_use;
  Thinking thinking;
  std::optional<answer::Effort> effort;
  std::optional<Json> schema;  // of output_config.format: the answer is JSON under it
  std::string schema_path;
  std::string user_id;         // "" if none
  bool cache_control = false;  // whether anything is marked to be kept
  IgnoredParams ignored;       // the handler adds what the model has no place for
};

enum class Endpoint { kMessages, kCountTokens };

// betas: the values of the request's anthropic-beta headers. Those that change what an answer looks
// like and that nobody here knows are listed as ignored.
Parsed<MessagesRequest> ParseMessagesRequest(std::string_view body,
                                             const ParseOptions& options = {},
                                             Endpoint endpoint = Endpoint::kMessages);

// Lists the betas of an anthropic-beta header that nobody here knows.
void IgnoreUnknownBetas(std::string_view header, IgnoredParams& ignored);

}  // namespace infe::api::anthropic

// The bodies of POST /v1/tokenize and /v1/detokenize, in vLLM's shapes: a text or a conversation to
// token ids, and token ids to their text.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/openai/chat_completion_request.h"
#include "api/parse_options.h"
#include "api/parsed.h"

namespace infe::api {

struct TokenizeRequest {
  std::string model;                          // "": whichever is served alone
  std::string prompt;                         // where there is no chat
  std::optional<ChatCompletionRequest> chat;  // with `messages`: as the template writes them
  bool add_special = true;                    // of a prompt: what the vocabulary puts around texts
  bool token_texts = false;
};

struct DetokenizeRequest {
  std::string model;            // as above
  std::vector<int64_t> tokens;  // >= 0; whether the vocabulary holds them is the handler's to check
};

Parsed<TokenizeRequest> ParseTokenizeRequest(std::string_view body, const ParseOptions& options);
Parsed<DetokenizeRequest> ParseDetokenizeRequest(std::string_view body,
                                                 const ParseOptions& options);

struct TokenizedText {
  std::span<const uint32_t> tokens = {};
  uint32_t context_max = 0;
  std::optional<std::vector<std::string>> token_texts = {};  // one per token
};
// {"count":N,"max_model_len":N,"tokens":[..],"token_strs":[..] or null}
std::string WriteTokenized(const TokenizedText& tokenized);
// {"prompt":".."}
std::string WriteDetokenized(std::string_view text);

}  // namespace infe::api

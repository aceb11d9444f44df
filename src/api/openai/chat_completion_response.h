// The answer to POST /v1/chat/completions without streaming.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/openai/message.h"
#include "api/openai/response_parts.h"

namespace infe::api {

struct ChatChoice {
  int index = 0;
  std::optional<std::string> content;                 // absent (null) when there are only calls
  std::optional<std::string> reasoning_content;       // of models that think
  std::vector<ToolCall> tool_calls;                   // ids from NewCallId()
  bool legacy_function_call = false;                  // write tool_calls[0] as function_call
  std::optional<std::vector<TokenLogprob>> logprobs;  // where they were asked for
  FinishReason finish_reason = FinishReason::kStop;
};

struct ChatCompletionResponse {
  ResponseHead head;
  std::vector<ChatChoice> choices;
  Usage usage;
  ResponseExtras extras;
};

std::string WriteChatCompletion(const ChatCompletionResponse& response);

}  // namespace infe::api

#include "api/openai/responses/ask.h"

#include <utility>

#include "api/openai/answer_error.h"
#include "api/openai/ask_parts.h"

namespace infe::api::responses {

Parsed<answer::ChatAsk> ToAsk(const Request& request, const std::vector<Item>& history,
                              const ParseOptions& options) {
  std::vector<Item> items;
  items.reserve(1 + history.size() + request.input.size());
  if (!request.instructions.empty()) {
    Item& instructions = items.emplace_back();
    instructions.role = chat::Role::kSystem;
    instructions.text = request.instructions;
  }
  items.insert(items.end(), history.begin(), history.end());
  items.insert(items.end(), request.input.begin(), request.input.end());
  auto messages = ToMessages(items, options);
  if (!messages) return std::move(messages).error();

  answer::ChatAsk ask;
  ask.messages = *std::move(messages);
  ask.messages_origin = "input";
  ask.tools = request.tool_use.tools;
  ask.tools_origin = "tools";
  ask.tool_policy = request.tool_use.policy;
  ask.format = ToAsk(request.format);
  ask.sampling = ToAsk(request.sampling);
  ask.tokens_max = request.max_output_tokens;
  ask.scores = {request.logprobs, static_cast<uint32_t>(request.top_logprobs.value_or(0))};
  if (request.reasoning.effort) {
    ask.thinking.effort = request.reasoning.effort;
    ask.thinking.on = *request.reasoning.effort != answer::Effort::kNone;
    ask.thinking.origin = "reasoning.effort";
  }
  if (request.truncates) ask.truncation = answer::Truncation::kDropOldest;
  ask.caller.priority = ToAsk(request.service_tier);
  return ask;
}

ApiError ToError(const answer::AnswerError& error) {
  using Subject = answer::AnswerError::Subject;
  ApiError made = ToApiError(error);
  const bool of_format = error.kind == answer::AnswerError::Kind::kUnenforceable &&
                         (error.subject == Subject::kSchema || error.subject == Subject::kFormat);
  if (of_format) made.param = error.origin;
  return made;
}

}  // namespace infe::api::responses

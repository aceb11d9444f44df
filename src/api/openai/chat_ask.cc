#include "api/openai/chat_ask.h"

#include <utility>

#include "api/openai/ask_parts.h"
#include "chat/custom_input.h"

namespace infe::api {
namespace {

chat::Role ToRole(Role role) {
  switch (role) {
    case Role::kSystem:
      return chat::Role::kSystem;
    case Role::kUser:
      return chat::Role::kUser;
    case Role::kAssistant:
      return chat::Role::kAssistant;
    case Role::kTool:
      return chat::Role::kTool;
  }
  return chat::Role::kUser;
}

chat::Message ToMessage(const Message& wire) {
  chat::Message message;
  message.role = ToRole(wire.role);
  message.content = wire.Text();
  if (message.content.empty() && !wire.refusal.empty()) message.content = wire.refusal;
  message.name = wire.name;
  for (const ToolCall& call : wire.tool_calls)
    message.tool_calls.push_back({call.id, call.name,
                                  call.kind == ToolCall::Kind::kCustom
                                      ? chat::CustomInputArguments(call.arguments)
                                      : call.arguments});
  message.tool_call_id = wire.tool_call_id;
  message.reasoning_content = wire.reasoning_content;
  return message;
}

answer::Tool::InputSyntax ToSyntax(Tool::InputSyntax syntax) {
  using To = answer::Tool::InputSyntax;
  switch (syntax) {
    case Tool::InputSyntax::kText:
      return To::kText;
    case Tool::InputSyntax::kLark:
      return To::kLark;
    case Tool::InputSyntax::kRegex:
      return To::kRegex;
  }
  return To::kText;
}

answer::Tool ToTool(const Tool& tool) {
  return {.kind = tool.kind == Tool::Kind::kCustom ? answer::Tool::Kind::kCustom
                                                   : answer::Tool::Kind::kFunction,
          .name = tool.name,
          .description = tool.description,
          .parameters = tool.parameters,
          .strict = tool.strict,
          .input_syntax = ToSyntax(tool.input_syntax),
          .input_grammar = tool.input_grammar,
          .origin = tool.param};
}

answer::ToolPolicy::Mode ToMode(ToolChoice::Mode mode) {
  using To = answer::ToolPolicy::Mode;
  switch (mode) {
    case ToolChoice::Mode::kNone:
      return To::kNone;
    case ToolChoice::Mode::kAuto:
      return To::kAuto;
    case ToolChoice::Mode::kRequired:
      return To::kRequired;
    case ToolChoice::Mode::kNamed:
      return To::kNamed;
  }
  return To::kAuto;
}

answer::Turn ToTurn(Turn turn) {
  switch (turn) {
    case Turn::kNext:
      return answer::Turn::kNext;
    case Turn::kContinued:
      return answer::Turn::kContinued;
    case Turn::kNone:
      return answer::Turn::kNone;
  }
  return answer::Turn::kNext;
}

answer::Effort ToEffort(ReasoningEffort effort) {
  using To = answer::Effort;
  switch (effort) {
    case ReasoningEffort::kNone:
      return To::kNone;
    case ReasoningEffort::kMinimal:
      return To::kMinimal;
    case ReasoningEffort::kLow:
      return To::kLow;
    case ReasoningEffort::kMedium:
      return To::kMedium;
    case ReasoningEffort::kHigh:
      return To::kHigh;
    case ReasoningEffort::kXHigh:
      return To::kXHigh;
    case ReasoningEffort::kMax:
      return To::kMax;
  }
  return To::kMedium;
}

answer::Thinking ToThinking(const ThinkingFields& fields) {
  answer::Thinking thinking;
  thinking.on = fields.on;
  if (fields.effort) {
    thinking.effort = ToEffort(*fields.effort);
    if (!thinking.on) thinking.on = *fields.effort != ReasoningEffort::kNone;
  }
  thinking.origin = fields.effort ? fields.effort_param : fields.on_param;
  thinking.tokens_max = fields.tokens_max;
  thinking.tokens_max_origin = fields.tokens_max_param;
  return thinking;
}

}  // namespace

answer::ChatAsk ToAsk(const ChatCompletionRequest& request) {
  answer::ChatAsk ask;
  for (const Message& message : request.messages) ask.messages.push_back(ToMessage(message));
  ask.messages_origin = "messages";
  const ToolUse& use = request.tool_use;
  for (const Tool& tool : use.tools) ask.tools.push_back(ToTool(tool));
  ask.tools_origin = "tools";
  ask.tool_policy.mode = ToMode(use.choice.mode);
  if (use.choice.restricted) ask.tool_policy.allowed = use.choice.names;
  if (!use.parallel_calls || use.legacy_functions) ask.tool_policy.calls_max = 1;
  ask.format = ToAsk(request.format);
  ask.sampling = ToAsk(request.sampling);
  ask.tokens_max = request.max_tokens;
  ask.choices = static_cast<uint32_t>(request.n);
  ask.scores = {request.logprobs, static_cast<uint32_t>(request.top_logprobs)};
  ask.thinking = ToThinking(request.thinking);
  ask.template_arguments = {request.thinking.template_arguments, "chat_template_kwargs"};
  if (request.truncation == Truncation::kAuto) ask.truncation = answer::Truncation::kDropOldest;
  ask.turn = ToTurn(request.turn);
  ask.prediction = request.prediction;
  ask.caller.priority = ToAsk(request.service_tier);
  return ask;
}

}  // namespace infe::api

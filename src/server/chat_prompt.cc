#include "server/chat_prompt.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "chat/custom_input.h"
#include "server/door/errors.h"

namespace infe::server {
namespace {

chat::Role ToRole(api::Role role) {
  switch (role) {
    case api::Role::kSystem:
      return chat::Role::kSystem;
    case api::Role::kUser:
      return chat::Role::kUser;
    case api::Role::kAssistant:
      return chat::Role::kAssistant;
    case api::Role::kTool:
      return chat::Role::kTool;
  }
  return chat::Role::kUser;
}

chat::Message ToMessage(const api::Message& wire) {
  chat::Message message;
  message.role = ToRole(wire.role);
  message.content = wire.Text();
  if (message.content.empty() && !wire.refusal.empty()) message.content = wire.refusal;
  message.name = wire.name;
  for (const api::ToolCall& call : wire.tool_calls)
    message.tool_calls.push_back({call.id, call.name,
                                  call.kind == api::ToolCall::Kind::kCustom
                                      ? chat::CustomInputArguments(call.arguments)
                                      : call.arguments});
  message.tool_call_id = wire.tool_call_id;
  message.reasoning_content = wire.reasoning_content;
  return message;
}

// A custom tool takes one text: to a template it is a function with one string argument, and the
// model is told what the text has to look like.
Json CustomToolParameters(const api::Tool& tool) {
  Json input = Json::Object{{"type", "string"}};
  switch (tool.input_syntax) {
    case api::Tool::InputSyntax::kText:
      break;
    case api::Tool::InputSyntax::kRegex:
      input.set("description",
                "A text that matches this regular expression: " + tool.input_grammar);
      break;
    case api::Tool::InputSyntax::kLark:
      input.set("description", "A text of this Lark grammar: " + tool.input_grammar);
      break;
  }
  const std::string key(chat::kCustomInputKey);
  return Json::Object{{"type", "object"},
                      {"properties", Json::Object{{key, std::move(input)}}},
                      {"required", Json::Array{key}}};
}

chat::ToolSpec ToSpec(const api::Tool& tool) {
  chat::ToolSpec spec;
  spec.name = tool.name;
  spec.description = tool.description;
  spec.parameters =
      tool.kind == api::Tool::Kind::kCustom ? CustomToolParameters(tool) : tool.parameters;
  spec.strict = tool.strict;
  return spec;
}

// A format that the model never saw yields fluent nonsense: the schema goes into the system
// message.
std::string SchemaLine(const api::OutputFormat& format) {
  switch (format.kind) {
    case api::OutputFormat::Kind::kText:
    case api::OutputFormat::Kind::kRegex:
    case api::OutputFormat::Kind::kGrammar:
      return {};
    case api::OutputFormat::Kind::kJsonObject:
      return "Answer with one JSON object and nothing else.";
    case api::OutputFormat::Kind::kJsonSchema:
      return "Answer with JSON that follows this schema and nothing else: " + format.schema.Dump();
    case api::OutputFormat::Kind::kChoice: {
      std::string line = "Answer with exactly one of these:";
      for (const std::string& choice : format.choices) line += fmt::format(" \"{}\"", choice);
      return line;
    }
  }
  return {};
}

void AddSystemLine(std::vector<chat::Message>& messages, std::string line) {
  if (line.empty()) return;
  if (!messages.empty() && messages.front().role == chat::Role::kSystem) {
    messages.front().content += messages.front().content.empty() ? line : "\n\n" + line;
    return;
  }
  chat::Message system;
  system.role = chat::Role::kSystem;
  system.content = std::move(line);
  messages.insert(messages.begin(), std::move(system));
}

// Drops the oldest turn after the system messages: a user message with everything up to the next
// one, so that calls and their answers go together. 0 when nothing may be dropped.
uint32_t DropOldestTurn(std::vector<chat::Message>& messages) {
  const auto first = std::find_if(messages.begin(), messages.end(),
                                  [](const auto& m) { return m.role != chat::Role::kSystem; });
  if (first == messages.end()) return 0;
  const auto next = std::find_if(first + 1, messages.end(),
                                 [](const auto& m) { return m.role == chat::Role::kUser; });
  if (next == messages.end()) return 0;
  const auto dropped = static_cast<uint32_t>(next - first);
  messages.erase(first, next);
  return dropped;
}

// Bytes of a prompt that a message may make at most, as a rule: escapes double some, and a template
// writes something around it.
size_t PromptBytes(const chat::Message& message) {
  size_t bytes = 256 + 2 * (message.content.size() + message.reasoning_content.size());
  for (const chat::ToolCall& call : message.tool_calls)
    bytes += 256 + 2 * (call.name.size() + call.arguments.size());
  return bytes;
}

// Drops oldest turns for a prompt that is `tokens` too long: at least one, and as many as surely
// must go, since a token is a byte or more. So a long history is not rendered once per turn.
uint32_t DropOldestTurns(std::vector<chat::Message>& messages, size_t tokens) {
  size_t bytes_before = 0;
  for (const chat::Message& message : messages) bytes_before += PromptBytes(message);
  uint32_t dropped = 0;
  for (;;) {
    const uint32_t turn = DropOldestTurn(messages);
    dropped += turn;
    size_t bytes = 0;
    for (const chat::Message& message : messages) bytes += PromptBytes(message);
    if (turn == 0 || bytes_before - bytes >= tokens) return dropped;
  }
}

bool HasTools(const api::ChatCompletionRequest& request) {
  return !request.tool_use.tools.empty();
}

std::vector<std::string> CallableNames(const api::ToolUse& use) {
  if (use.choice.mode == api::ToolChoice::Mode::kNone) return {};
  if (use.choice.restricted) return use.choice.names;
  std::vector<std::string> names;
  for (const api::Tool& tool : use.tools) names.push_back(tool.name);
  return names;
}

}  // namespace

api::Parsed<ChatPrompt> BuildChatPrompt(const ServedModel& model,
                                        const api::ChatCompletionRequest& request,
                                        const ChatPromptOptions& options) {
  const chat::PromptRenderer& renderer = model.renderer();
  chat::PromptRequest conversation;
  for (const api::Message& message : request.messages)
    conversation.messages.push_back(ToMessage(message));
  if (options.show_schema) AddSystemLine(conversation.messages, SchemaLine(request.format));
  for (const api::Tool& tool : request.tool_use.tools) conversation.tools.push_back(ToSpec(tool));

  ChatPrompt prompt;
  if (request.reasoning_effort) {
    if (renderer.traits().thinking_variable.empty())
      prompt.ignored.push_back("reasoning_effort");
    else
      conversation.thinking = *request.reasoning_effort != api::ReasoningEffort::kNone;
  }
  for (;;) {
    auto rendered = renderer.Render(conversation);
    if (!rendered) {
      api::ApiError error = ToApiError(rendered.error());
      if (!error.param) error.param = "messages";
      return error;
    }
    std::vector<tokenizer::TextSpan> trusted;
    for (const chat::TrustedRange& range : rendered->rendered.trusted)
      trusted.push_back({range.begin, range.end});
    const std::string& text = rendered->rendered.text;
    const bool surely_too_long = model.SurelyTooLong(text.size());
    if (!surely_too_long)
      prompt.tokens = model.tokenizer().Encode(
          text, {.special = tokenizer::SpecialTokens::kTrusted,
                 .trusted = trusted,
                 .add_special = rendered->add_bos ? tokenizer::AddSpecial::kAsVocabulary
                                                  : tokenizer::AddSpecial::kNever});
    const size_t tokens = surely_too_long ? model.TokensMin(text.size()) : prompt.tokens.size();
    if (request.truncation == api::Truncation::kAuto && tokens >= model.context_max()) {
      const uint32_t dropped =
          DropOldestTurns(conversation.messages, tokens - model.context_max() + 1);
      prompt.truncated_messages += dropped;
      if (dropped > 0) continue;
    }
    if (surely_too_long) return api::ContextLengthSurelyExceeded(model.context_max(), tokens);
    prompt.reading =
        renderer.ParserOptions(*rendered, HasTools(request) ? CallableNames(request.tool_use)
                                                            : std::vector<std::string>());
    // JSON that a format asked for is content, whatever its keys, where calls have markers.
    if (request.format.kind != api::OutputFormat::Kind::kText && prompt.reading.tools &&
        prompt.reading.tools->kind == chat::ToolFormat::Kind::kJson)
      prompt.reading.bare_openings.emplace();
    prompt.text = std::move(rendered->rendered.text);
    break;
  }
  if (prompt.tokens.empty())
    return api::InvalidValue("messages", "The template makes no prompt of these 'messages'.");
  return prompt;
}

}  // namespace infe::server

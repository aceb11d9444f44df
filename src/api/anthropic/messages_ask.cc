#include "api/anthropic/messages_ask.h"

#include <algorithm>
#include <cctype>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace infe::api::anthropic {
namespace {

void Join(std::string& text, std::string_view more, std::string_view separator) {
  if (!text.empty() && !more.empty()) text += separator;
  text += more;
}

chat::Message OfRole(chat::Role role) {
  chat::Message message;
  message.role = role;
  return message;
}

// A result that failed says so, unless it does itself: templates have no place for the mark.
std::string ResultText(const Block& block) {
  if (!block.is_error) return block.text;
  constexpr std::string_view kWord = "error";
  const std::string_view head = std::string_view(block.text).substr(0, 80);
  const auto same = [](char a, char b) { return (a | 0x20) == b; };
  const bool says_so =
      std::search(head.begin(), head.end(), kWord.begin(), kWord.end(), same) != head.end();
  return says_so ? block.text : "Error: " + block.text;
}

// The results of the turn before come first, as a message each; what the user says follows.
void AddUser(const Message& message, std::vector<chat::Message>& to) {
  chat::Message said = OfRole(chat::Role::kUser);
  bool has_text = message.content.empty();
  for (const Block& block : message.content) {
    if (block.kind == Block::Kind::kToolResult) {
      chat::Message result = OfRole(chat::Role::kTool);
      result.tool_call_id = block.id;
      result.content = ResultText(block);
      to.push_back(std::move(result));
    } else {
      has_text = true;
      Join(said.content, block.text, "\n");
    }
  }
  if (has_text) to.push_back(std::move(said));
}

void AddAssistant(const Message& message, std::vector<chat::Message>& to) {
  chat::Message said = OfRole(chat::Role::kAssistant);
  for (const Block& block : message.content) {
    switch (block.kind) {
      case Block::Kind::kText:
        Join(said.content, block.text, "\n");
        break;
      case Block::Kind::kThinking:
        Join(said.reasoning_content, block.text, "\n");
        break;
      case Block::Kind::kToolUse:
        said.tool_calls.push_back({block.id, block.name, block.text});
        break;
      case Block::Kind::kToolResult:
        break;  // nobody's but the user's
    }
  }
  to.push_back(std::move(said));
}

void AddSystem(const Message& message, std::vector<chat::Message>& to) {
  chat::Message said = OfRole(chat::Role::kSystem);
  for (const Block& block : message.content) Join(said.content, block.text, "\n\n");
  to.push_back(std::move(said));
}

std::vector<chat::Message> ToMessages(const MessagesRequest& request) {
  std::vector<chat::Message> messages;
  chat::Message system = OfRole(chat::Role::kSystem);
  for (const std::string& text : request.system) Join(system.content, text, "\n\n");
  if (!system.content.empty()) messages.push_back(std::move(system));
  for (const Message& message : request.messages) {
    switch (message.role) {
      case Role::kUser:
        AddUser(message, messages);
        break;
      case Role::kAssistant:
        AddAssistant(message, messages);
        break;
      case Role::kSystem:
        AddSystem(message, messages);
        break;
    }
  }
  return messages;
}

// All that are not deferred, those that a result names, and the one that is to be called. All of
// them where that is none: there is nothing to search with either.
std::vector<Tool> ShownTools(const MessagesRequest& request) {
  std::vector<Tool> shown = request.tool_use.tools;
  std::unordered_set<std::string_view> found{request.tool_use.choice.name};
  for (const Message& message : request.messages)
    for (const Block& block : message.content)
      found.insert(block.tools_found.begin(), block.tools_found.end());
  const auto hidden = [&](const Tool& tool) { return tool.deferred && !found.contains(tool.name); };
  if (!std::all_of(shown.begin(), shown.end(), hidden)) std::erase_if(shown, hidden);
  return shown;
}

answer::ToolPolicy ToPolicy(const ToolChoice& choice) {
  using Mode = answer::ToolPolicy::Mode;
  answer::ToolPolicy policy;
  if (!choice.parallel) policy.calls_max = 1;
  switch (choice.type) {
    case ToolChoice::Type::kAuto:
      policy.mode = Mode::kAuto;
      break;
    case ToolChoice::Type::kAny:
      policy.mode = Mode::kRequired;
      break;
    case ToolChoice::Type::kTool:
      policy.mode = Mode::kNamed;
      policy.allowed = {choice.name};
      break;
    case ToolChoice::Type::kNone:
      policy.mode = Mode::kNone;
      break;
  }
  return policy;
}

// Who says nothing of thinking wants an answer alone: programs read content[0].text. Where a model
// has no place for what was not asked for, nobody is told.
answer::Thinking ToAsk(const Thinking& thinking, const std::optional<answer::Effort>& effort) {
  answer::Thinking ask;
  ask.on = thinking.type != Thinking::Type::kDisabled;
  ask.effort = effort;
  if (*ask.on) ask.origin = "thinking";
  if (effort) ask.origin = "output_config.effort";
  ask.tokens_max = thinking.budget_tokens;
  ask.tokens_max_origin = "thinking.budget_tokens";
  return ask;
}

}  // namespace

answer::ChatAsk ToAsk(const MessagesRequest& request) {
  answer::ChatAsk ask;
  ask.messages = ToMessages(request);
  ask.messages_origin = "messages";
  // A conversation that ends with the assistant's words is one to go on with.
  if (!ask.messages.empty() && ask.messages.back().role == chat::Role::kAssistant)
    ask.turn = answer::Turn::kContinued;
  for (const Tool& tool : ShownTools(request))
    ask.tools.push_back({.name = tool.name,
                         .description = tool.description,
                         .parameters = tool.input_schema,
                         .strict = tool.strict,
                         .origin = tool.path});
  ask.tools_origin = "tools";
  ask.tool_policy = ToPolicy(request.tool_use.choice);
  if (request.schema)
    ask.format = {.kind = answer::Format::Kind::kJsonSchema,
                  .schema = *request.schema,
                  .strict = true,
                  .origin = request.schema_path};
  static_cast<PartialSampling&>(ask.sampling) = request.sampling;
  ask.sampling.seed = request.seed;
  ask.sampling.stops = request.stop_sequences;
  if (request.max_tokens > 0) ask.tokens_max = request.max_tokens;
  ask.thinking = ToAsk(request.thinking, request.effort);
  return ask;
}

}  // namespace infe::api::anthropic

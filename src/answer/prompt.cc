#include "answer/prompt.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "answer/template_names.h"
#include "chat/custom_input.h"

namespace infe::answer {
namespace {

// A custom tool takes one text: to a template it is a function with one string argument, and the
// model is told what the text has to look like.
Json CustomToolParameters(const Tool& tool) {
  Json input = Json::Object{{"type", "string"}};
  switch (tool.input_syntax) {
    case Tool::InputSyntax::kText:
      break;
    case Tool::InputSyntax::kRegex:
      input.set("description",
                "A text that matches this regular expression: " + tool.input_grammar);
      break;
    case Tool::InputSyntax::kLark:
      input.set("description", "A text of this Lark grammar: " + tool.input_grammar);
      break;
  }
  const std::string key(chat::kCustomInputKey);
  return Json::Object{{"type", "object"},
                      {"properties", Json::Object{{key, std::move(input)}}},
                      {"required", Json::Array{key}}};
}

chat::ToolSpec ToSpec(const Tool& tool) {
  chat::ToolSpec spec;
  spec.name = tool.name;
  spec.description = tool.description;
  spec.parameters = tool.kind == Tool::Kind::kCustom ? CustomToolParameters(tool) : tool.parameters;
  spec.strict = tool.strict;
  return spec;
}

// A format that the model never saw yields fluent nonsense: the schema goes into the system
// message.
std::string SchemaLine(const Format& format) {
  switch (format.kind) {
    case Format::Kind::kText:
    case Format::Kind::kRegex:
    case Format::Kind::kGrammar:
      return {};
    case Format::Kind::kJsonObject:
      return "Answer with one JSON object and nothing else.";
    case Format::Kind::kJsonSchema:
      return "Answer with JSON that follows this schema and nothing else: " + format.schema.Dump();
    case Format::Kind::kChoice: {
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

std::vector<std::string> CallableNames(const ChatAsk& ask) {
  if (ask.tool_policy.mode == ToolPolicy::Mode::kNone) return {};
  if (ask.tool_policy.allowed) return *ask.tool_policy.allowed;
  std::vector<std::string> names;
  for (const Tool& tool : ask.tools) names.push_back(tool.name);
  return names;
}

AnswerError SurelyTooLong(const ModelText& model, size_t tokens_min, const Origin& origin) {
  return TooLong({.context_max = model.context_max, .prompt = tokens_min, .at_least = true},
                 origin);
}

std::vector<tokenizer::TokenId> Encode(const ModelText& model, const chat::Prompt& prompt) {
  std::vector<tokenizer::TextSpan> trusted;
  for (const auto& range : prompt.rendered.trusted) trusted.push_back({range.begin, range.end});
  return model.tokenizer->Encode(
      prompt.rendered.text, {.special = tokenizer::SpecialTokens::kTrusted,
                             .trusted = trusted,
                             .add_special = prompt.add_bos ? tokenizer::AddSpecial::kAsVocabulary
                                                           : tokenizer::AddSpecial::kNever});
}

chat::OutputParserOptions ReadingOf(const ModelText& model, const ChatAsk& ask,
                                    const chat::Prompt& prompt,
                                    const std::vector<chat::ToolSpec>& tools) {
  chat::OutputParserOptions reading =
      model.renderer->ParserOptions(prompt, CallableNames(ask), tools);
  // JSON that a format asked for is content, whatever its keys, where calls have markers.
  if (ask.format.kind != Format::Kind::kText && reading.tools &&
      reading.tools->kind == chat::ToolFormat::Kind::kJson)
    reading.bare_openings.emplace();
  return reading;
}

using Rendered = decltype(chat::Prompt::rendered);

bool Overlaps(const Rendered& rendered, size_t begin, size_t end) {
  return std::any_of(rendered.trusted.begin(), rendered.trusted.end(),
                     [&](const auto& range) { return range.begin < end && begin < range.end; });
}

// Ends the prompt behind the last message's text, which the template may have trimmed. false: it is
// not there, the template writes it otherwise.
bool CutBehind(Rendered& rendered, std::string_view text) {
  size_t at = rendered.text.rfind(text);
  while (at != std::string::npos && Overlaps(rendered, at, at + text.size()))
    at = at == 0 ? std::string::npos : rendered.text.rfind(text, at - 1);
  if (at == std::string::npos) return false;
  const size_t end = at + text.size();
  rendered.text.resize(end);
  std::erase_if(rendered.trusted, [end](const auto& range) { return range.begin >= end; });
  return true;
}

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

// A message that says nothing yet is the model's turn itself.
Turn TurnOf(const ChatAsk& ask) {
  if (ask.turn == Turn::kContinued && Trimmed(ask.messages.back().content).empty())
    return Turn::kNext;
  return ask.turn;
}

// Turn::kContinued: what the template wrote behind the text goes, and the text is kept.
Answered<void> ContinueLast(const ModelText& model, const ChatAsk& ask, chat::Prompt& rendered,
                            ChatPrompt& prompt) {
  const std::string& text = ask.messages.back().content;
  if (CutBehind(rendered.rendered, text)) {
    prompt.begun = text;
  } else if (CutBehind(rendered.rendered, Trimmed(text))) {
    prompt.begun = Trimmed(text);
  } else {
    return InvalidAt(ask.messages_origin,
                     fmt::format("The last of these '{}' cannot be continued: the model's template "
                                 "does not write it as it is.",
                                 ask.messages_origin));
  }
  // A thought that it has begun goes on too.
  const chat::ReasoningTags& tags = model.renderer->traits().reasoning_tags;
  const size_t begun = text.rfind(tags.begin);
  const size_t ended = text.rfind(tags.end);
  if (begun != std::string::npos && (ended == std::string::npos || ended < begun))
    rendered.reasoning = chat::ReasoningMode::kOpen;
  return {};
}

// Tokens that a prompt which is shortened leaves to its answer: as many as are asked for, but never
// more than half of the context; where nothing is asked for, a quarter of it, or what an answer in
// a JSON format may have.
size_t RoomToLeave(const ModelText& model, const ChatAsk& ask) {
  constexpr uint64_t kRoomUnasked = 1024;
  const uint64_t context = model.context_max;
  if (!ask.tokens_max) return std::min(context / 4, kRoomUnasked);
  return std::min<uint64_t>(context / 2, static_cast<uint64_t>(*ask.tokens_max));
}

// Whoever only looks is told the number, up to texts that would keep a thread for a second.
bool MayLook(const ChatAsk& ask, size_t bytes) {
  constexpr size_t kLookBytesMax = 4u << 20;
  return ask.purpose == Purpose::kLook && bytes <= kLookBytesMax;
}

bool Reads(const ModelText& model, const std::string& name) {
  return std::binary_search(model.template_names.begin(), model.template_names.end(), name);
}

// The switch and the level of effort, as far as the template has them.
void ApplyThinking(const ModelText& model, const Thinking& thinking,
                   chat::PromptRequest& conversation, std::vector<Origin>& ignored) {
  const bool has_switch = !model.renderer->traits().thinking_variable.empty();
  std::optional<bool> on = thinking.on;
  if (!on && thinking.effort) on = *thinking.effort != Effort::kNone;
  // No tokens for it is no thought, where that can be said before it begins.
  if (thinking.tokens_max == 0) on = false;
  if (has_switch) conversation.thinking = on;
  if (thinking.effort && !model.efforts.empty())
    conversation.variables.set(std::string(kEffortVariable),
                               Name(Nearest(model.efforts, *thinking.effort)));
  const bool told = has_switch || (thinking.effort && !model.efforts.empty());
  if (!told && (thinking.on || thinking.effort)) ignored.push_back(thinking.origin);
}

// What infe itself says in the template's variables; each has a field of its own.
constexpr std::array<std::string_view, 5> kOwnVariables{
    "messages", "tools", "add_generation_prompt", "continue_final_message", "chat_template"};

// The two names that a switch for thinking goes by: whoever sends one means the template's own.
bool IsSwitch(const std::string& name, const Json& value) {
  return value.is_bool() && (name == "enable_thinking" || name == "thinking");
}

Answered<void> ApplyArguments(const ModelText& model, const TemplateArguments& arguments,
                              chat::PromptRequest& conversation, std::vector<Origin>& ignored) {
  if (!arguments.values.is_object()) return {};
  const bool has_switch = !model.renderer->traits().thinking_variable.empty();
  for (const auto& [name, value] : arguments.values.object()) {
    const bool own =
        std::find(kOwnVariables.begin(), kOwnVariables.end(), name) != kOwnVariables.end() ||
        name.ends_with("_token");
    if (own)
      return InvalidAt(arguments.origin,
                       fmt::format("Invalid '{}': '{}' is not for a request to set there.",
                                   arguments.origin, name.substr(0, 64)));
    if (Reads(model, name)) {
      conversation.variables.set(name, value);
    } else if (has_switch && IsSwitch(name, value)) {
      conversation.thinking = value.as_bool();
    } else {
      ignored.push_back(arguments.origin + "." + name);
    }
  }
  return {};
}

}  // namespace

Answered<ChatPrompt> BuildChatPrompt(const ModelText& model, const ChatAsk& ask,
                                     const AnswerPolicy& policy) {
  chat::PromptRequest conversation;
  conversation.messages = ask.messages;
  conversation.variables = Json::MakeObject();
  const Turn turn = TurnOf(ask);
  conversation.add_generation_prompt = turn == Turn::kNext;
  if (policy.show_schema) AddSystemLine(conversation.messages, SchemaLine(ask.format));
  for (const Tool& tool : ask.tools) conversation.tools.push_back(ToSpec(tool));

  ChatPrompt prompt;
  ApplyThinking(model, ask.thinking, conversation, prompt.ignored);
  if (auto applied = ApplyArguments(model, ask.template_arguments, conversation, prompt.ignored);
      !applied)
    return std::move(applied).error();
  const size_t room = std::max<size_t>(1, RoomToLeave(model, ask));
  for (;;) {
    auto rendered = model.renderer->Render(conversation);
    if (!rendered) return ToAnswerError(std::move(rendered).error(), ask.messages_origin);
    if (turn == Turn::kContinued)
      if (auto cut = ContinueLast(model, ask, *rendered, prompt); !cut)
        return std::move(cut).error();
    const size_t bytes = rendered->rendered.text.size();
    const bool surely_too_long = model.SurelyTooLong(bytes) && !MayLook(ask, bytes);
    if (!surely_too_long) prompt.tokens = Encode(model, *rendered);
    const size_t tokens = surely_too_long ? model.TokensMin(bytes) : prompt.tokens.size();
    if (ask.truncation == Truncation::kDropOldest && tokens + room > model.context_max) {
      const uint32_t dropped =
          DropOldestTurns(conversation.messages, tokens + room - model.context_max);
      prompt.truncated_messages += dropped;
      if (dropped > 0) continue;
    }
    if (surely_too_long) return SurelyTooLong(model, tokens, ask.messages_origin);
    prompt.reading = ReadingOf(model, ask, *rendered, conversation.tools);
    if (ask.thinking.tokens_max && prompt.reading.reasoning == chat::ReasoningMode::kNone &&
        ask.thinking.tokens_max != 0)
      prompt.ignored.push_back(ask.thinking.tokens_max_origin);
    prompt.text = std::move(rendered->rendered.text);
    break;
  }
  if (prompt.tokens.empty())
    return InvalidAt(ask.messages_origin, fmt::format("The template makes no prompt of these '{}'.",
                                                      ask.messages_origin));
  return prompt;
}

}  // namespace infe::answer

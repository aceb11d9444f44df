#include "chat/message_adapter.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "chat/tool_prompt.h"

namespace infe::chat {
namespace {

void Join(std::string& text, std::string_view more, std::string_view separator) {
  if (more.empty()) return;
  if (!text.empty()) text += separator;
  text += more;
}

bool IsJsonObject(const std::string& text) {
  const Result<Json> value = ParseJson(text, {.depth = 100, .allow_duplicate_keys = true});
  return value && value->is_object();
}

// Calls that cannot be given to the template as calls: it knows none, or a call was cut and its
// arguments, now mere text, would make it raise.
bool CallsBecomeText(const Message& message, const TemplateTraits& traits,
                     const ToolFormat& format) {
  if (!traits.takes_tool_calls || !format.is_native) return true;
  if (message.tool_calls.size() > 1 && !format.takes_several) return true;
  if (traits.takes_text_arguments) return false;
  for (const ToolCall& call : message.tool_calls)
    if (!call.arguments.empty() && !IsJsonObject(call.arguments)) return true;
  return false;
}

std::vector<Message> ToolsAsText(std::vector<Message> messages, const TemplateTraits& traits,
                                 const ToolFormat& format) {
  std::vector<Message> out;
  bool results_as_text = false;
  for (Message& message : messages) {
    if (message.role == Role::kAssistant && !message.tool_calls.empty()) {
      results_as_text = CallsBecomeText(message, traits, format) || !traits.takes_tool_role;
      if (CallsBecomeText(message, traits, format)) {
        Join(message.content, CallsText(message.tool_calls, format), "\n");
        message.tool_calls.clear();
      }
    }
    if (message.role == Role::kTool && (results_as_text || !traits.takes_tool_role)) {
      message.role = Role::kUser;
      message.content = ToolResultText(message.content);
      message.tool_call_id.clear();
      message.name.clear();
      // The results of one answer are one turn.
      if (!out.empty() && out.back().role == Role::kUser &&
          out.back().content.starts_with("<tool_response>")) {
        Join(out.back().content, message.content, "\n");
        continue;
      }
    }
    out.push_back(std::move(message));
  }
  return out;
}

// Harmony has one call in a message, and text or reasoning before it but not both: each call is a
// message of its own with its result behind it, and text comes first.
std::vector<Message> OneCallEach(const std::vector<Message>& messages) {
  std::vector<Message> out;
  for (size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].tool_calls.empty()) {
      out.push_back(messages[i]);
      continue;
    }
    Message message = messages[i];
    const std::vector<ToolCall> calls = std::exchange(message.tool_calls, {});
    size_t end = i + 1;
    while (end < messages.size() && messages[end].role == Role::kTool) ++end;
    if (!message.content.empty()) {
      Message text = message;
      text.reasoning_content.clear();
      out.push_back(std::move(text));
      message.content.clear();
    }
    for (const ToolCall& call : calls) {
      message.tool_calls = {call};
      out.push_back(message);
      message.reasoning_content.clear();
      for (size_t r = i + 1; r < end; ++r)
        if (messages[r].tool_call_id == call.id) out.push_back(messages[r]);
    }
    // Results of no call that there is follow the last one.
    for (size_t r = i + 1; r < end; ++r)
      if (std::ranges::none_of(
              calls, [&](const ToolCall& call) { return call.id == messages[r].tool_call_id; }))
        out.push_back(messages[r]);
    i = end - 1;
  }
  return out;
}

// Results get the name of the function that they answer for, which some templates print.
void NameResults(std::vector<Message>& messages) {
  std::map<std::string, std::string> names;
  for (Message& message : messages) {
    for (const ToolCall& call : message.tool_calls) names[call.id] = call.name;
    if (message.role != Role::kTool || !message.name.empty()) continue;
    if (const auto found = names.find(message.tool_call_id); found != names.end())
      message.name = found->second;
  }
}

void AddSystemBlock(std::vector<Message>& messages, const std::string& block) {
  if (messages.empty() || messages.front().role != Role::kSystem) {
    Message system;
    system.role = Role::kSystem;
    messages.insert(messages.begin(), std::move(system));
  }
  Join(messages.front().content, block, "\n\n");
}

// All system texts at the front, as one message or inside the first user turn.
std::vector<Message> PlaceSystem(std::vector<Message> messages, const TemplateTraits& traits) {
  std::string system;
  std::vector<Message> rest;
  bool found = false;
  for (Message& message : messages) {
    const bool moves = message.role == Role::kSystem && (!traits.takes_late_system || rest.empty());
    if (moves) {
      found = true;
      Join(system, message.content, "\n\n");
    } else {
      rest.push_back(std::move(message));
    }
  }
  if (!found) return rest;
  if (traits.takes_system) {
    Message message;
    message.role = Role::kSystem;
    message.content = std::move(system);
    rest.insert(rest.begin(), std::move(message));
    return rest;
  }
  if (system.empty()) return rest;
  if (rest.empty() || rest.front().role != Role::kUser) rest.insert(rest.begin(), Message());
  std::string& content = rest.front().content;
  content = content.empty() ? system : system + "\n\n" + content;
  return rest;
}

std::vector<Message> Alternate(std::vector<Message> messages) {
  std::vector<Message> out;
  for (Message& message : messages) {
    const bool mergeable = message.role == Role::kUser || message.role == Role::kAssistant;
    if (mergeable && !out.empty() && out.back().role == message.role &&
        out.back().tool_calls.empty()) {
      Join(out.back().content, message.content, "\n\n");
      Join(out.back().reasoning_content, message.reasoning_content, "\n\n");
      out.back().tool_calls = std::move(message.tool_calls);
      continue;
    }
    // A conversation that the assistant opens gets an empty first turn.
    const bool opens = out.empty() || (out.size() == 1 && out.front().role == Role::kSystem);
    if (opens && message.role == Role::kAssistant) out.emplace_back();
    out.push_back(std::move(message));
  }
  return out;
}

}  // namespace

AdaptedMessages AdaptMessages(const PromptRequest& request, const TemplateTraits& traits,
                              const ToolFormat& format) {
  AdaptedMessages out;
  out.passes_tools = !request.tools.empty() && traits.takes_tools && format.is_native;
  std::vector<Message> messages = request.messages;
  NameResults(messages);
  if (format.kind == ToolFormat::Kind::kHarmony && format.is_native)
    messages = OneCallEach(messages);
  out.messages = ToolsAsText(std::move(messages), traits, format);
  if (!request.tools.empty() && !out.passes_tools)
    AddSystemBlock(out.messages, ToolSystemBlock(request.tools, format));
  out.messages = PlaceSystem(std::move(out.messages), traits);
  if (traits.requires_alternation) out.messages = Alternate(std::move(out.messages));
  return out;
}

}  // namespace infe::chat

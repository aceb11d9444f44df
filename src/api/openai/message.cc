#include "api/openai/message.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "api/openai/message_history.h"

namespace infe::api {
namespace {

enum class WireRole { kSystem, kDeveloper, kUser, kAssistant, kTool, kFunction };
constexpr std::array<EnumName<WireRole>, 6> kRoles{{{"system", WireRole::kSystem},
                                                    {"assistant", WireRole::kAssistant},
                                                    {"user", WireRole::kUser},
                                                    {"function", WireRole::kFunction},
                                                    {"tool", WireRole::kTool},
                                                    {"developer", WireRole::kDeveloper}}};
constexpr std::array<EnumName<ToolCall::Kind>, 2> kCallKinds{
    {{"function", ToolCall::Kind::kFunction}, {"custom", ToolCall::Kind::kCustom}}};
constexpr std::array<std::string_view, 3> kMediaParts{"image_url", "input_audio", "file"};

Role RoleOf(WireRole role) {
  switch (role) {
    case WireRole::kSystem:
    case WireRole::kDeveloper:
      return Role::kSystem;
    case WireRole::kUser:
      return Role::kUser;
    case WireRole::kAssistant:
      return Role::kAssistant;
    case WireRole::kTool:
    case WireRole::kFunction:
      return Role::kTool;
  }
  return Role::kUser;
}

// A thought: a text, or as Mistral has it an array of text parts.
std::string ParseThought(Fields& fields, std::string_view name) {
  const Json* value = fields.Require(name);
  if (value == nullptr) return {};
  ParseContext& context = fields.context();
  const std::string path = fields.Path(name);
  if (!value->is_array()) return ReadString(*value, path, context).value_or("");
  std::string thought;
  for (size_t i = 0; i < value->array().size() && !context.failed(); ++i) {
    const Json& item = value->array()[i];
    const std::string where = Indexed(path, i);
    if (!item.is_object()) {
      context.Fail(InvalidType(where, "an object", TypeName(item)));
      break;
    }
    Fields part(item, where, context);
    part.Take("type");
    if (i > 0) thought += '\n';
    thought += part.RequireString("text");
    part.Finish();
  }
  return thought;
}

ContentPart ParsePart(const Json& value, const std::string& path, ContentOwner owner,
                      ParseContext& context) {
  ContentPart part;
  if (!value.is_object()) {
    context.Fail(InvalidType(path, "an object", TypeName(value)));
    return part;
  }
  Fields fields(value, path, context);
  const std::string type = fields.RequireString("type");
  if (context.failed()) return part;
  const bool is_thought = type == "thinking" || type == "reasoning";
  // The second and third are what items of the Responses API call it.
  if (type == "text" || type == "input_text" || type == "output_text") {
    part.text = fields.RequireString("text");
  } else if (is_thought && owner == ContentOwner::kAssistant) {
    part.kind = ContentPart::Kind::kThought;
    part.text = ParseThought(fields, type == "thinking" ? "thinking" : "text");
  } else if (type == "refusal" && owner == ContentOwner::kAssistant) {
    part.kind = ContentPart::Kind::kRefusal;
    part.text = fields.RequireString("refusal");
  } else if (type == "image_url" && context.options().images == Images::kPlaceholder) {
    part.text = kImagePlaceholder;
    fields.Take("image_url");
  } else if (std::find(kMediaParts.begin(), kMediaParts.end(), type) != kMediaParts.end()) {
    context.Fail(UnsupportedValue(fields.Path("type"), fmt::format("'{}'", type), "'text'"));
  } else {
    constexpr std::array<std::string_view, 2> kAssistantParts{"text", "refusal"};
    const std::span<const std::string_view> supported(kAssistantParts);
    context.Fail(InvalidEnum(fields.Path("type"), type,
                             supported.first(owner == ContentOwner::kAssistant ? 2 : 1)));
  }
  fields.Finish();
  return part;
}

// The text of a call's arguments. Ollama and what is written for it keep them as an object.
std::string ParseArguments(Fields& fields) {
  const Json* value = fields.Require("arguments");
  if (value == nullptr) return {};
  if (value->is_object()) return value->Dump();
  return ReadString(*value, fields.Path("arguments"), fields.context()).value_or("");
}

// Mistral's answers leave the type out; what the call holds tells it.
std::optional<ToolCall::Kind> ParseCallKind(Fields& fields) {
  if (fields.Take("type") != nullptr) return fields.Enum("type", kCallKinds);
  if (fields.Take("function") != nullptr) return ToolCall::Kind::kFunction;
  fields.Require("type");
  return std::nullopt;
}

ToolCall ParseToolCall(const Json& value, const std::string& path, ParseContext& context) {
  ToolCall call;
  if (!value.is_object()) {
    context.Fail(InvalidType(path, "an object", TypeName(value)));
    return call;
  }
  Fields fields(value, path, context);
  call.id = fields.RequireString("id");
  const std::optional<ToolCall::Kind> kind = ParseCallKind(fields);
  if (!kind) return call;
  call.kind = *kind;
  const bool is_function = *kind == ToolCall::Kind::kFunction;
  const std::string_view inner_name = is_function ? "function" : "custom";
  const Json* inner = fields.RequireObject(inner_name);
  if (inner == nullptr) return call;
  Fields inner_fields(*inner, fields.Path(inner_name), context);
  call.name = inner_fields.RequireString("name");
  call.arguments = is_function ? ParseArguments(inner_fields) : inner_fields.RequireString("input");
  inner_fields.Finish();
  fields.Take("index");  // clients that join a stream send their accumulator back
  fields.Finish();
  return call;
}

// An assistant's own fields besides content.
void ParseAssistant(Fields& fields, size_t index, Message& message) {
  ParseContext& context = fields.context();
  message.refusal = fields.String("refusal").value_or("");
  // Two names of one field; who sends both means the same by them.
  const std::optional<std::string> reasoning = fields.String("reasoning");
  message.reasoning_content = fields.String("reasoning_content").value_or(reasoning.value_or(""));
  // Answers of ours come back with an empty list of annotations; a full one has no place to go.
  if (const Json* annotations = fields.Take("annotations")) {
    if (!annotations->is_array() || !annotations->array().empty())
      context.Ignore(fields.Path("annotations"));
  }
  fields.Refuse("audio");
  message.is_prefix = fields.Bool("prefix").value_or(false);
  if (const Json* calls = fields.TakeArray("tool_calls")) {
    const std::string path = fields.Path("tool_calls");
    for (size_t i = 0; i < calls->array().size() && !context.failed(); ++i)
      message.tool_calls.push_back(ParseToolCall(calls->array()[i], Indexed(path, i), context));
  }
  if (const Json* call = fields.TakeObject("function_call")) {
    Fields call_fields(*call, fields.Path("function_call"), context);
    ToolCall made;
    made.id = LegacyCallId(index);
    made.name = call_fields.RequireString("name");
    made.arguments = ParseArguments(call_fields);
    call_fields.Finish();
    if (!message.tool_calls.empty())
      context.Fail(InvalidCombination(fields.Path("function_call"),
                                      "'function_call' is the older form of 'tool_calls': they "
                                      "cannot be used together."));
    message.tool_calls.push_back(std::move(made));
  }
}

// Thoughts among the parts of an answer are its reasoning; a field that says the same goes first.
void TakeThoughts(Message& message) {
  std::vector<ContentPart> said;
  std::string thoughts;
  for (ContentPart& part : message.content) {
    if (part.kind != ContentPart::Kind::kThought) {
      said.push_back(std::move(part));
    } else if (!part.text.empty()) {
      if (!thoughts.empty()) thoughts += '\n';
      thoughts += part.text;
    }
  }
  message.content = std::move(said);
  if (message.reasoning_content.empty()) message.reasoning_content = std::move(thoughts);
}

Message ParseMessage(const Json& value, size_t index, ParseContext& context) {
  Message message;
  const std::string path = Indexed("messages", index);
  if (!value.is_object()) {
    context.Fail(InvalidType(path, "an object", TypeName(value)));
    return message;
  }
  Fields fields(value, path, context);
  if (fields.Require("role") == nullptr) return message;
  const auto role = fields.Enum("role", kRoles);
  if (!role) return message;
  message.role = RoleOf(*role);
  message.name = fields.String("name").value_or("");
  if (message.role == Role::kAssistant) ParseAssistant(fields, index, message);
  if (*role == WireRole::kTool) message.tool_call_id = fields.RequireString("tool_call_id");
  // Its call is found by name, in ValidateHistory.
  if (*role == WireRole::kFunction && message.name.empty())
    context.Fail(MissingParameter(fields.Path("name")));

  const Json* content = fields.Take("content");
  if (content != nullptr) {
    message.has_content = true;
    message.content_is_array = content->is_array();
    message.content = ParseContent(
        *content, fields.Path("content"),
        message.role == Role::kAssistant ? ContentOwner::kAssistant : ContentOwner::kOther,
        context);
    TakeThoughts(message);
  } else if (message.role == Role::kTool) {
    message.has_content = true;  // a tool that had nothing to say
  } else if (message.role != Role::kAssistant) {
    context.Fail(MissingParameter(fields.Path("content")));
  } else {
    // A turn of which nothing was kept, an answer of no tokens say, comes back with the history.
    message.has_content =
        message.tool_calls.empty() && message.refusal.empty() && message.reasoning_content.empty();
  }
  fields.Finish();
  return message;
}

}  // namespace

std::string_view Name(Role role) {
  switch (role) {
    case Role::kSystem:
      return "system";
    case Role::kUser:
      return "user";
    case Role::kAssistant:
      return "assistant";
    case Role::kTool:
      return "tool";
  }
  return "user";
}

std::string Message::Text() const {
  std::string out;
  for (size_t i = 0; i < content.size(); ++i) {
    if (i > 0) out += '\n';
    out += content[i].text;
  }
  return out;
}

std::vector<ContentPart> ParseContent(const Json& value, const std::string& path,
                                      ContentOwner owner, ParseContext& context) {
  std::vector<ContentPart> parts;
  if (value.is_string()) {
    parts.push_back({ContentPart::Kind::kText, value.as_string()});
    return parts;
  }
  if (!value.is_array()) {
    context.Fail(InvalidType(path, "a string or an array of content parts", TypeName(value)));
    return parts;
  }
  // An assistant may have said nothing; everybody else has something to say.
  if (value.array().empty() && owner != ContentOwner::kAssistant) context.Fail(EmptyArray(path));
  for (size_t i = 0; i < value.array().size() && !context.failed(); ++i)
    parts.push_back(ParsePart(value.array()[i], Indexed(path, i), owner, context));
  return parts;
}

std::vector<Message> ParseMessages(Fields& body) {
  std::vector<Message> messages;
  ParseContext& context = body.context();
  const Json* array = body.RequireArray("messages");
  if (array == nullptr) return messages;
  if (array->array().empty()) context.Fail(EmptyArray("messages"));
  const size_t limit = context.options().messages_max;
  if (array->array().size() > limit) {
    context.Fail(ArrayTooLong("messages", limit, array->array().size()));
    return messages;
  }
  messages.reserve(array->array().size());
  for (size_t i = 0; i < array->array().size() && !context.failed(); ++i)
    messages.push_back(ParseMessage(array->array()[i], i, context));
  if (!context.failed()) ValidateHistory(messages, context);
  return messages;
}

}  // namespace infe::api

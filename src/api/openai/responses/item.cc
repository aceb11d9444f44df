#include "api/openai/responses/item.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "api/openai/responses/encrypted_reasoning.h"
#include "chat/custom_input.h"

namespace infe::api::responses {
namespace {

using chat::Role;

constexpr std::array<EnumName<Role>, 4> kRoles{{{"user", Role::kUser},
                                                {"assistant", Role::kAssistant},
                                                {"system", Role::kSystem},
                                                {"developer", Role::kSystem}}};
constexpr std::array<EnumName<Item::Kind>, 7> kKinds{
    {{"message", Item::Kind::kMessage},
     {"function_call", Item::Kind::kFunctionCall},
     {"function_call_output", Item::Kind::kFunctionOutput},
     {"custom_tool_call", Item::Kind::kCustomCall},
     {"custom_tool_call_output", Item::Kind::kCustomOutput},
     {"reasoning", Item::Kind::kReasoning},
     {"item_reference", Item::Kind::kReference}}};
constexpr std::array<std::string_view, 4> kTextParts{"input_text", "output_text", "text",
                                                     "refusal"};
constexpr std::array<std::string_view, 3> kMediaParts{"input_image", "input_file", "input_audio"};

bool IsOneOf(std::span<const std::string_view> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string ParsePart(const Json& value, const std::string& path, ParseContext& context) {
  if (!value.is_object()) {
    context.Fail(InvalidType(path, "an object", TypeName(value)));
    return {};
  }
  Fields fields(value, path, context);
  const std::string type = fields.RequireString("type");
  if (context.failed()) return {};
  std::string text;
  if (IsOneOf(kTextParts, type)) {
    text = fields.RequireString(type == "refusal" ? "refusal" : "text");
    for (const char* shown : {"annotations", "logprobs"}) fields.Take(shown);
  } else if (type == "input_image" && context.options().images == Images::kPlaceholder) {
    text = kImagePlaceholder;
    for (const char* seen : {"image_url", "file_id", "detail"}) fields.Take(seen);
  } else if (IsOneOf(kMediaParts, type)) {
    context.Fail(UnsupportedValue(fields.Path("type"), fmt::format("'{}'", type), "'input_text'"));
  } else {
    context.Fail(InvalidEnum(fields.Path("type"), type, std::span(kTextParts).first(2)));
  }
  fields.Finish();
  return text;
}

// A text, or parts of one.
std::string ParseText(const Json& value, const std::string& path, ParseContext& context) {
  if (value.is_string()) return value.as_string();
  if (!value.is_array()) {
    context.Fail(InvalidType(path, "a string or an array of content parts", TypeName(value)));
    return {};
  }
  std::string text;
  for (size_t i = 0; i < value.array().size() && !context.failed(); ++i) {
    if (i > 0) text += '\n';
    text += ParsePart(value.array()[i], Indexed(path, i), context);
  }
  return text;
}

void ParseMessage(Fields& fields, Item& item) {
  if (fields.Require("role") == nullptr) return;
  item.role = fields.Enum("role", kRoles).value_or(Role::kUser);
  // An assistant's turn of which nothing was kept comes back with the history.
  const Json* content = fields.Take("content");
  if (content == nullptr) {
    if (item.role != Role::kAssistant) fields.Require("content");
    return;
  }
  item.text = ParseText(*content, fields.Path("content"), fields.context());
  fields.Take("phase");  // which of the assistant's texts was the last one
}

void ParseCall(Fields& fields, Item& item, std::string_view arguments) {
  item.call_id = fields.RequireString("call_id");
  const std::string group = fields.String("namespace").value_or("");
  item.name = FlatName(group, fields.RequireString("name"));
  item.arguments = fields.RequireString(arguments);
  fields.Take("caller");
}

void ParseOutput(Fields& fields, Item& item) {
  item.call_id = fields.RequireString("call_id");
  if (const Json* output = fields.Require("output"))
    item.text = ParseText(*output, fields.Path("output"), fields.context());
  for (const char* shown : {"name", "namespace", "caller"}) fields.Take(shown);
}

std::string TextsOf(Fields& fields, std::string_view name) {
  const Json* parts = fields.TakeArray(name);
  std::string text;
  if (parts == nullptr) return text;
  for (size_t i = 0; i < parts->array().size(); ++i) {
    const Json* piece = parts->array()[i].find("text");
    if (piece == nullptr || !piece->is_string()) {
      fields.context().Fail(MissingParameter(Indexed(fields.Path(name), i) + ".text"));
      break;
    }
    if (i > 0) text += '\n';
    text += piece->as_string();
  }
  return text;
}

// What it was in full, else what came along for those who keep nothing, else its summary.
void ParseReasoning(Fields& fields, Item& item) {
  const std::string content = TextsOf(fields, "content");
  const std::string summary = TextsOf(fields, "summary");
  const std::string sealed = fields.String("encrypted_content").value_or("");
  const std::optional<std::string> opened = OpenReasoning(sealed);
  if (!sealed.empty() && !opened)  // another server's
    fields.context().Ignore(fields.Path("encrypted_content"));
  item.text = !content.empty() ? content : opened ? *opened : summary;
}

Item::Kind KindOf(Fields& fields) {
  const Json* type = fields.Take("type");
  if (type == nullptr)  // the short forms: a message, or an id
    return fields.Take("role") != nullptr ? Item::Kind::kMessage : Item::Kind::kReference;
  const auto text = ReadString(*type, fields.Path("type"), fields.context());
  for (const auto& [name, kind] : kKinds)
    if (text == name) return kind;
  return Item::Kind::kForeign;
}

Item ParseItem(const Json& value, const std::string& path, ParseContext& context) {
  Item item;
  if (!value.is_object()) {
    context.Fail(InvalidType(path, "an object", TypeName(value)));
    return item;
  }
  Fields fields(value, path, context);
  item.kind = KindOf(fields);
  if (item.kind == Item::Kind::kForeign) {
    context.Unknown(path + "." + fields.String("type").value_or(""));
    return item;
  }
  item.id = fields.String("id").value_or("");
  fields.Take("status");
  switch (item.kind) {
    case Item::Kind::kMessage:
      ParseMessage(fields, item);
      break;
    case Item::Kind::kFunctionCall:
      ParseCall(fields, item, "arguments");
      break;
    case Item::Kind::kCustomCall:
      ParseCall(fields, item, "input");
      break;
    case Item::Kind::kFunctionOutput:
    case Item::Kind::kCustomOutput:
      ParseOutput(fields, item);
      break;
    case Item::Kind::kReasoning:
      ParseReasoning(fields, item);
      break;
    case Item::Kind::kReference:
      if (item.id.empty()) context.Fail(MissingParameter(fields.Path("id")));
      break;
    case Item::Kind::kForeign:
      break;
  }
  fields.Finish();
  return item;
}

// Items to messages.
class Conversation {
 public:
  explicit Conversation(const ParseOptions& options) : options_(options) {}

  void Add(const Item& item, size_t index) {
    switch (item.kind) {
      case Item::Kind::kMessage:
        if (item.role == Role::kAssistant) return AddText(item);
        reasoning_.clear();
        AddMessage(item.role).content = item.text;
        return;
      case Item::Kind::kReasoning:
        reasoning_ = item.text;
        return;
      case Item::Kind::kFunctionCall:
        return AddCall(item, item.arguments);
      case Item::Kind::kCustomCall:
        return AddCall(item, chat::CustomInputArguments(item.arguments));
      case Item::Kind::kFunctionOutput:
      case Item::Kind::kCustomOutput:
        return AddOutput(item, index);
      case Item::Kind::kReference:
      case Item::Kind::kForeign:
        return;
    }
  }

  Parsed<std::vector<chat::Message>> Finish() {
    for (const auto& [id, answered] : calls_)
      if (!answered && !options_.allow_unanswered_calls)
        Fail(InvalidValue("input",
                          fmt::format("No tool output found for function call {}.", Quoted(id))));
    if (messages_.empty()) Fail(EmptyArray("input"));
    if (messages_.size() > options_.messages_max)
      Fail(ArrayTooLong("input", options_.messages_max, messages_.size()));
    if (error_) return *std::move(error_);
    return std::move(messages_);
  }

 private:
  chat::Message& AddMessage(Role role) {
    chat::Message& message = messages_.emplace_back();
    message.role = role;
    return message;
  }
  // The turn that the assistant is at. A text behind calls is of the same turn, as it was when it
  // was made; a second text without calls between them is another one.
  chat::Message& Turn() {
    if (messages_.empty() || messages_.back().role != Role::kAssistant)
      AddMessage(Role::kAssistant);
    chat::Message& turn = messages_.back();
    turn.reasoning_content += std::exchange(reasoning_, {});
    return turn;
  }
  void AddText(const Item& item) {
    const bool goes_on = !messages_.empty() && messages_.back().role == Role::kAssistant &&
                         (messages_.back().content.empty() || !messages_.back().tool_calls.empty());
    if (!goes_on) AddMessage(Role::kAssistant);
    Turn().content += item.text;
  }
  void AddCall(const Item& item, std::string arguments) {
    Turn().tool_calls.push_back({item.call_id, item.name, std::move(arguments)});
    calls_[item.call_id] = false;
  }
  void AddOutput(const Item& item, size_t index) {
    const auto call = calls_.find(item.call_id);
    if (call == calls_.end())
      return Fail(
          InvalidValue(Indexed("input", index) + ".call_id",
                       fmt::format("No tool call found for function call output with call_id {}.",
                                   Quoted(item.call_id))));
    call->second = true;
    reasoning_.clear();
    chat::Message& message = AddMessage(Role::kTool);
    message.tool_call_id = item.call_id;
    message.content = item.text;
  }
  void Fail(ApiError error) {
    if (!error_) error_ = std::move(error);
  }

  const ParseOptions& options_;
  std::vector<chat::Message> messages_;
  std::map<std::string, bool, std::less<>> calls_;  // by id: whether it was answered
  std::string reasoning_;                           // of the turn that follows
  std::optional<ApiError> error_;
};

}  // namespace

std::vector<Item> ParseInput(Json& value, std::string_view path, ParseContext& context) {
  std::vector<Item> items;
  if (value.is_string()) {
    Item& item = items.emplace_back();
    item.text = value.as_string();
    item.source = Json::Object{{"role", "user"}, {"content", std::move(value)}};
    return items;
  }
  if (!value.is_array()) {
    context.Fail(InvalidType(path, "a string or an array of items", TypeName(value)));
    return items;
  }
  const size_t limit = context.options().messages_max;
  if (value.array().size() > limit) {
    context.Fail(ArrayTooLong(path, limit, value.array().size()));
    return items;
  }
  for (size_t i = 0; i < value.array().size() && !context.failed(); ++i) {
    Json& element = value.array()[i];
    items.push_back(ParseItem(element, Indexed(path, i), context));
    items.back().source = std::move(element);
  }
  return items;
}

std::string FlatName(std::string_view group, std::string_view name) {
  if (group.empty()) return std::string(name);
  return fmt::format("{}{}{}", group, group.ends_with("__") ? "" : "__", name);
}

Parsed<std::vector<chat::Message>> ToMessages(const std::vector<Item>& items,
                                              const ParseOptions& options) {
  Conversation conversation(options);
  for (size_t i = 0; i < items.size(); ++i) conversation.Add(items[i], i);
  return conversation.Finish();
}

}  // namespace infe::api::responses

#include "api/openai/responses/kept.h"

#include <fmt/format.h>

#include "api/fields.h"
#include "api/json_text.h"
#include "api/openai/kept_page.h"
#include "api/openai/responses/object.h"
#include "api/request_body.h"

namespace infe::api::responses {
namespace {

constexpr size_t kItemsAtOnce = 20;  // added to a conversation: OpenAI's own
// What was taken once is taken again, however the server is set up by now.
ParseOptions Lenient() {
  ParseOptions options;
  options.messages_max = SIZE_MAX;
  options.body_depth_max = 1024;
  options.images = Images::kPlaceholder;
  return options;
}

void SetIfAbsent(Json& object, const char* name, Json value) {
  if (object.find(name) == nullptr) object.set(name, std::move(value));
}

// Content as parts, each with the members that its kind has.
Json ShownContent(const Json& content, bool of_assistant) {
  const char* type = of_assistant ? "output_text" : "input_text";
  Json parts = Json::MakeArray();
  if (content.is_string()) {
    parts.push_back(Json::Object{{"type", type}, {"text", content}});
  } else if (content.is_array()) {  // null: an assistant's turn of which nothing was kept
    for (const Json& part : content.array()) {
      Json shown = part;
      const Json* kind = part.find("type");
      if (kind != nullptr && *kind != Json("refusal") && *kind != Json("input_image"))
        shown.set("type", type);
      parts.push_back(std::move(shown));
    }
  }
  for (Json& part : parts.array()) {
    if (*part.find("type") != Json("output_text")) continue;
    SetIfAbsent(part, "annotations", Json::MakeArray());
    SetIfAbsent(part, "logprobs", Json::MakeArray());
  }
  return parts;
}

void AppendPairs(std::string& out, const std::optional<Metadata>& metadata) {
  Json object = Json::MakeObject();
  if (metadata)
    for (const auto& [key, value] : *metadata) object.set(key, value);
  object.DumpTo(out);
}

Json* FindMutable(Json& object, std::string_view name) {
  for (auto& [key, value] : object.object())
    if (key == name) return &value;
  return nullptr;
}

}  // namespace

Json ShownItem(const Item& item, std::string_view id) {
  Json shown = item.source;
  if (KeptIdOf(shown).empty()) shown.set("id", id);
  switch (item.kind) {
    case Item::Kind::kMessage: {
      shown.set("type", "message");
      const Json* content = shown.find("content");
      shown.set("content", ShownContent(content != nullptr ? *content : Json(),
                                        item.role == chat::Role::kAssistant));
      SetIfAbsent(shown, "status", "completed");
      break;
    }
    case Item::Kind::kFunctionCall:
    case Item::Kind::kCustomCall:
    case Item::Kind::kFunctionOutput:
    case Item::Kind::kCustomOutput:
      SetIfAbsent(shown, "status", "completed");
      break;
    case Item::Kind::kReasoning:
      SetIfAbsent(shown, "summary", Json::MakeArray());
      break;
    case Item::Kind::kReference:
    case Item::Kind::kForeign:
      break;
  }
  return shown;
}

std::string WriteInputItems(const std::vector<Item>& items, std::string_view owner) {
  std::string out = "[";
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += ',';
    ShownItem(items[i], InputItemId(owner, i)).DumpTo(out);
  }
  return out + ']';
}

Parsed<std::vector<Item>> ReadItems(std::string_view text, std::string_view member) {
  Result<Json> json = ParseJson(text, {.depth = 1024});
  if (!json) return InternalError();
  Json* items = &*json;
  if (!member.empty()) items = json->is_object() ? FindMutable(*json, member) : nullptr;
  if (items == nullptr) return std::vector<Item>();
  const ParseOptions options = Lenient();
  ParseContext context(options);
  std::vector<Item> read = ParseInput(*items, "input", context);
  if (context.failed()) return context.TakeError();
  return read;
}

std::string WriteConversation(const Conversation& conversation) {
  std::string out;
  ObjectText object(out);
  object.String("id", conversation.id);
  object.String("object", "conversation");
  object.Integer("created_at", conversation.created_at);
  AppendPairs(object.Key("metadata"), conversation.metadata);
  object.Close();
  return out;
}

Parsed<ConversationBody> ParseConversationBody(std::string_view text, ConversationPost post,
                                               const ParseOptions& options) {
  Parsed<Json> json = ParseBody(text.empty() ? "{}" : text, options);
  if (!json) return std::move(json).error();
  ParseContext context(options);
  Fields body(*json, "", context);
  ConversationBody read;
  if (post != ConversationPost::kAddItems) read.metadata = ParseMetadata(body);
  const Json* items = nullptr;
  if (post != ConversationPost::kUpdate) {
    items =
        post == ConversationPost::kAddItems ? body.RequireArray("items") : body.TakeArray("items");
  } else if (!read.metadata) {
    context.Fail(MissingParameter("metadata"));
  }
  body.Finish();
  if (items != nullptr && items->array().size() > kItemsAtOnce)
    context.Fail(ArrayTooLong("items", kItemsAtOnce, items->array().size()));
  if (items != nullptr && !context.failed())
    read.items = ParseInput(*FindMutable(*json, "items"), "items", context);
  for (size_t i = 0; i < read.items.size(); ++i)
    if (read.items[i].kind == Item::Kind::kReference)
      context.Fail(
          UnsupportedValue(Indexed("items", i) + ".type", "'item_reference'", "whole items"));
  if (context.failed()) return context.TakeError();
  return read;
}

ApiError PreviousNotKept(std::string_view id) {
  ApiError error = NotKept("Previous response", id);
  error.status = 400;
  error.param = "previous_response_id";
  error.code = "previous_response_not_found";
  return error;
}

}  // namespace infe::api::responses

#include "api/openai/responses/kept.h"

#include <algorithm>

#include <fmt/format.h>

#include "api/fields.h"
#include "api/json_text.h"
#include "api/openai/responses/object.h"
#include "api/query_string.h"
#include "api/request_body.h"

namespace infe::api::responses {
namespace {

constexpr size_t kListMax = 100;     // OpenAI's own, as are the next two
constexpr size_t kItemsAtOnce = 20;  // added to a conversation
// What was taken once is taken again, however the server is set up by now.
ParseOptions Lenient() {
  ParseOptions options;
  options.messages_max = SIZE_MAX;
  options.body_depth_max = 1024;
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
  } else {
    for (const Json& part : content.array()) {
      Json shown = part;
      const Json* kind = part.find("type");
      if (kind != nullptr && *kind != Json("refusal")) shown.set("type", type);
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

std::string_view IdOf(const Json& item) {
  const Json* id = item.find("id");
  return id != nullptr && id->is_string() ? std::string_view(id->as_string()) : std::string_view();
}

Json* FindMutable(Json& object, std::string_view name) {
  for (auto& [key, value] : object.object())
    if (key == name) return &value;
  return nullptr;
}

}  // namespace

Json ShownItem(const Item& item, std::string_view id) {
  Json shown = item.source;
  if (IdOf(shown).empty()) shown.set("id", id);
  switch (item.kind) {
    case Item::Kind::kMessage: {
      shown.set("type", "message");
      const Json* content = shown.find("content");
      if (content != nullptr)
        shown.set("content", ShownContent(*content, item.role == chat::Role::kAssistant));
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

Parsed<ListQuery> ParseListQuery(std::string_view text, const ListQuery& defaults) {
  const Parsed<QueryString> query = QueryString::Parse(text);
  if (!query) return query.error();
  ListQuery list = defaults;
  const auto limit = query->Integer("limit", {.min = 1, .max = kListMax});
  if (!limit) return limit.error();
  if (*limit) list.limit = static_cast<size_t>(**limit);
  if (const auto order = query->Find("order")) {
    constexpr std::array<std::string_view, 2> kOrders{"asc", "desc"};
    if (*order != "asc" && *order != "desc") return InvalidEnum("order", *order, kOrders);
    list.ascending = *order == "asc";
  }
  list.after = query->Find("after").value_or("");
  return list;
}

std::string WriteList(const std::vector<std::pair<std::string, std::string>>& entries,
                      bool has_more) {
  std::string out;
  ObjectText object(out);
  object.String("object", "list");
  object.Key("data") += '[';
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i > 0) out += ',';
    out += entries[i].second;
  }
  out += ']';
  object.String("first_id", entries.empty() ? std::string() : entries.front().first);
  object.String("last_id", entries.empty() ? std::string() : entries.back().first);
  object.Key("has_more") += has_more ? "true" : "false";
  object.Close();
  return out;
}

std::string WriteItemPage(std::string_view text, const ListQuery& query) {
  const Result<Json> json = ParseJson(text, {.depth = 1024});
  std::vector<const Json*> items;
  if (json && json->is_array())
    for (const Json& item : json->array()) items.push_back(&item);
  if (!query.ascending) std::reverse(items.begin(), items.end());
  if (!query.after.empty()) {
    const auto last_seen = std::find_if(
        items.begin(), items.end(), [&](const Json* item) { return IdOf(*item) == query.after; });
    items.erase(items.begin(), last_seen == items.end() ? last_seen : last_seen + 1);
  }
  const bool has_more = items.size() > query.limit;
  if (has_more) items.resize(query.limit);
  std::vector<std::pair<std::string, std::string>> entries;
  for (const Json* item : items) entries.emplace_back(IdOf(*item), item->Dump());
  return WriteList(entries, has_more);
}

std::string WriteDeleted(std::string_view id, std::string_view object_name) {
  std::string out;
  ObjectText object(out);
  object.String("id", id);
  object.String("object", object_name);
  object.Key("deleted") += "true";
  object.Close();
  return out;
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

ApiError NotKept(std::string_view what, std::string_view id) {
  ApiError error;
  error.status = 404;
  error.message = fmt::format("{} with id '{}' not found.", what, Quoted(id));
  return error;
}

ApiError PreviousNotKept(std::string_view id) {
  ApiError error = NotKept("Previous response", id);
  error.status = 400;
  error.param = "previous_response_id";
  error.code = "previous_response_not_found";
  return error;
}

}  // namespace infe::api::responses

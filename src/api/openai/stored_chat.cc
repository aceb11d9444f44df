#include "api/openai/stored_chat.h"

#include <utility>

#include <fmt/format.h>

#include "api/query_string.h"
#include "api/request_body.h"
#include "base/json.h"

namespace infe::api {
namespace {

// Bodies were parsed under their own limits already.
constexpr size_t kStoredDepthMax = 1024;

// Parts are told beside their text, as OpenAI tells them.
void SplitContent(Json& message) {
  const Json* const content = message.find("content");
  if (content == nullptr || content->is_null()) {
    message.set("content", nullptr);
    message.set("content_parts", nullptr);
    return;
  }
  if (!content->is_array()) {
    message.set("content_parts", nullptr);
    return;
  }
  std::string text;
  for (const Json& part : content->array()) {
    const Json* const words = part.find("text");
    if (words == nullptr || !words->is_string()) continue;
    if (!text.empty()) text += '\n';
    text += words->as_string();
  }
  Json parts = *content;
  message.set("content", std::move(text));
  message.set("content_parts", std::move(parts));
}

}  // namespace

std::string WriteStoredMessages(std::string_view request_body, std::string_view chat_id) {
  const auto body = ParseJson(request_body, {.depth = kStoredDepthMax});
  std::string out = "[";
  const Json* const messages = body && body->is_object() ? body->find("messages") : nullptr;
  if (messages == nullptr || !messages->is_array()) return "[]";
  size_t number = 0;
  for (const Json& message : messages->array()) {
    Json shown = message;
    SplitContent(shown);
    shown.set("id", fmt::format("{}-{}", chat_id, number));
    if (shown.find("name") == nullptr) shown.set("name", nullptr);
    if (shown.find("refusal") == nullptr) shown.set("refusal", nullptr);
    if (number++ > 0) out += ',';
    shown.DumpTo(out);
  }
  return out + ']';
}

// JSON strings hold no line end of their own, so a pair is found between two.
std::string LabelOf(std::string_view key, std::string_view value) {
  std::string label = "\n";
  AppendJsonString(label, key);
  label += ':';
  AppendJsonString(label, value);
  return label + '\n';
}

std::string LabelsOf(const std::optional<Metadata>& metadata) {
  std::string labels;
  if (metadata)
    for (const auto& [key, value] : *metadata) labels += LabelOf(key, value);
  return labels;
}

Parsed<StoredChatQuery> ParseStoredChatQuery(std::string_view text) {
  StoredChatQuery asked;
  auto page = ParsePageQuery(text, {.ascending = true});
  if (!page) return std::move(page).error();
  asked.page = *std::move(page);
  const Parsed<QueryString> query = QueryString::Parse(text);
  if (!query) return query.error();
  asked.model = query->Find("model").value_or("");
  for (const auto& [key, value] : query->Members("metadata"))
    asked.labels.push_back(LabelOf(key, value));
  if (asked.labels.size() > kMetadataPairsMax)
    return ObjectTooLarge("metadata", kMetadataPairsMax, asked.labels.size());
  return asked;
}

Parsed<Metadata> ParseChatUpdate(std::string_view text, const ParseOptions& options) {
  Parsed<Json> json = ParseBody(text, options);
  if (!json) return std::move(json).error();
  ParseContext context(options);
  Fields body(*json, "", context);
  const Json* const given = json->find("metadata");
  auto metadata = ParseMetadata(body);
  if (given == nullptr) context.Fail(MissingParameter("metadata"));
  body.Finish();
  if (context.failed()) return context.TakeError();
  return std::move(metadata).value_or(Metadata());
}

std::string WithMetadata(std::string_view chat, const Metadata& metadata) {
  auto object = ParseJson(chat, {.depth = kStoredDepthMax});
  if (!object || !object->is_object()) return std::string(chat);
  Json pairs = Json::MakeObject();
  for (const auto& [key, value] : metadata) pairs.set(key, value);
  object->set("metadata", std::move(pairs));
  return object->Dump();
}

}  // namespace infe::api

// /v1/conversations: items that are kept together, and that responses go on from.
#include <utility>

#include "api/ids.h"
#include "api/openai/kept_page.h"
#include "api/openai/responses/kept.h"
#include "api/openai/responses/object.h"
#include "base/json.h"
#include "server/handlers/kept.h"
#include "server/handlers/parse_options.h"

namespace infe::server {
namespace {

namespace responses = api::responses;
using Post = responses::ConversationPost;
using store::KeptItem;
using store::KeptObject;

api::Parsed<KeptObject> FindConversation(const KeptCall& call) {
  return FindKept(call, store::KeptKind::kConversation, "Conversation");
}

// The ids of its items are made of its own and a fresh one: many are added at different times.
std::vector<KeptItem> ToKept(const std::vector<responses::Item>& items) {
  std::vector<KeptItem> kept;
  const std::string owner = responses::NewResponseId();
  for (size_t i = 0; i < items.size(); ++i) {
    const Json shown = responses::ShownItem(items[i], responses::InputItemId(owner, i));
    kept.push_back({shown.find("id")->as_string(), shown.Dump()});
  }
  return kept;
}

std::string WriteItems(const std::vector<KeptItem>& items, bool has_more) {
  std::vector<std::pair<std::string, std::string>> entries;
  for (const KeptItem& item : items) entries.emplace_back(item.id, item.body);
  return api::WritePage(entries, has_more);
}

api::Parsed<responses::ConversationBody> Read(const KeptCall& call, Post post) {
  const SettingsPtr settings = call.services.settings.Get();
  if (!MayKeep(*settings, call.reply.caller())) {
    api::ApiError error;
    error.message = "Nothing is kept here.";
    return error;
  }
  return responses::ParseConversationBody(call.http.body, post, ParseOptionsOf(settings->config));
}

}  // namespace

KeptAnswer CreateConversation(const KeptCall& call) {
  const auto body = Read(call, Post::kCreate);
  if (!body) return body.error();
  KeptObject object;
  object.project = call.project;
  object.id = api::NewId("conv_");
  object.kind = store::KeptKind::kConversation;
  object.created_at = call.now;
  object.expires_at = call.now + KeptSeconds(*call.services.settings.Get());
  object.body = responses::WriteConversation({object.id, object.created_at, body->metadata});
  call.services.kept.Put(object);
  if (!body->items.empty())
    call.services.kept.AddItems(call.project, object.id, ToKept(body->items));
  return std::optional(object.body);
}

KeptAnswer GetConversation(const KeptCall& call) {
  auto object = FindConversation(call);
  if (!object) return object.error();
  return std::optional(std::move(object->body));
}

KeptAnswer UpdateConversation(const KeptCall& call) {
  auto object = FindConversation(call);
  if (!object) return object.error();
  const auto body = Read(call, Post::kUpdate);
  if (!body) return body.error();
  object->body = responses::WriteConversation({object->id, object->created_at, body->metadata});
  call.services.kept.Put(*object);
  return std::optional(object->body);
}

KeptAnswer DeleteConversation(const KeptCall& call) {
  const auto object = FindConversation(call);
  if (!object) return object.error();
  const auto removed = call.services.kept.Remove(call.project, object->id, call.now);
  if (!removed) return DatabaseError();
  return std::optional(api::WriteRemoved(object->id, "conversation.deleted"));
}

KeptAnswer AddConversationItems(const KeptCall& call) {
  const auto object = FindConversation(call);
  if (!object) return object.error();
  const auto body = Read(call, Post::kAddItems);
  if (!body) return body.error();
  const std::vector<KeptItem> items = ToKept(body->items);
  call.services.kept.AddItems(call.project, object->id, items);
  return std::optional(WriteItems(items, false));
}

KeptAnswer ListConversationItems(const KeptCall& call) {
  const auto object = FindConversation(call);
  if (!object) return object.error();
  const auto query = api::ParsePageQuery(call.http.query);
  if (!query) return query.error();
  // One more than asked for tells whether there are more.
  auto items = call.services.kept.Items(
      call.project, object->id,
      {.ascending = query->ascending, .after = query->after, .limit = query->limit + 1});
  if (!items) return DatabaseError();
  const bool has_more = items->size() > query->limit;
  if (has_more) items->pop_back();
  return std::optional(WriteItems(*items, has_more));
}

KeptAnswer GetConversationItem(const KeptCall& call) {
  const auto object = FindConversation(call);
  if (!object) return object.error();
  const std::string id = call.Param("item");
  auto item = call.services.kept.FindItem(call.project, object->id, id);
  if (!item) return DatabaseError();
  if (!*item) return api::NotKept("Item", id);
  return std::optional(std::move((*item)->body));
}

KeptAnswer DeleteConversationItem(const KeptCall& call) {
  auto object = FindConversation(call);
  if (!object) return object.error();
  const std::string id = call.Param("item");
  const auto removed = call.services.kept.RemoveItem(call.project, object->id, id);
  if (!removed) return DatabaseError();
  if (!*removed) return api::NotKept("Item", id);
  return std::optional(std::move(object->body));
}

}  // namespace infe::server

// Chat completions that were kept: listed, looked at, labelled anew, removed.
#include <utility>

#include "api/openai/kept_page.h"
#include "api/openai/stored_chat.h"
#include "server/handlers/kept.h"
#include "server/handlers/parse_options.h"

namespace infe::server {
namespace {

using store::KeptObject;

api::Parsed<KeptObject> FindChat(const KeptCall& call) {
  return FindKept(call, store::KeptKind::kChat, "Chat completion");
}

}  // namespace

KeptAnswer ListChats(const KeptCall& call) {
  const auto query = api::ParseStoredChatQuery(call.http.query);
  if (!query) return query.error();
  // One more than asked for tells whether there are more.
  auto chats = call.services.kept.List(call.project, store::KeptKind::kChat,
                                       {.ascending = query->page.ascending,
                                        .after = query->page.after,
                                        .limit = query->page.limit + 1,
                                        .model = query->model,
                                        .labels = query->labels},
                                       call.now);
  if (!chats) return DatabaseError();
  const bool has_more = chats->size() > query->page.limit;
  if (has_more) chats->pop_back();
  std::vector<std::pair<std::string, std::string>> entries;
  for (KeptObject& chat : *chats) entries.emplace_back(chat.id, std::move(chat.body));
  return std::optional(api::WritePage(entries, has_more));
}

KeptAnswer GetChat(const KeptCall& call) {
  auto object = FindChat(call);
  if (!object) return object.error();
  return std::optional(std::move(object->body));
}

KeptAnswer UpdateChat(const KeptCall& call) {
  auto object = FindChat(call);
  if (!object) return object.error();
  const auto metadata =
      api::ParseChatUpdate(call.http.body, ParseOptionsOf(call.services.settings.Get()->config));
  if (!metadata) return metadata.error();
  object->labels = api::LabelsOf(*metadata);
  object->body = api::WithMetadata(object->body, *metadata);
  call.services.kept.Put(*object);
  return std::optional(std::move(object->body));
}

KeptAnswer DeleteChat(const KeptCall& call) {
  const auto object = FindChat(call);
  if (!object) return object.error();
  const auto removed = call.services.kept.Remove(call.project, object->id, call.now);
  if (!removed) return DatabaseError();
  return std::optional(api::WriteRemoved(object->id, "chat.completion.deleted"));
}

KeptAnswer ListChatMessages(const KeptCall& call) {
  const auto object = FindChat(call);
  if (!object) return object.error();
  const auto query = api::ParsePageQuery(call.http.query, {.ascending = true});
  if (!query) return query.error();
  return std::optional(api::WriteItemPage(object->input, *query));
}

}  // namespace infe::server

// What the endpoints of kept responses, conversations and chats share. Each runs on a task thread,
// as it waits for the database, and returns the body of its answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "api/parsed.h"
#include "server/door/reply.h"
#include "server/handlers/handlers.h"
#include "store/kept_store.h"

namespace infe::server {

// The server keeps things, and so may this key (scope storage).
bool MayKeep(const LiveSettings& settings, const Caller& caller);
int64_t KeptSeconds(const LiveSettings& settings);
// 503: it does not answer. Come again.
api::ApiError DatabaseError();

// An answer in the background whose server has stopped meanwhile will never come: then it has
// failed from now on.
std::optional<api::ApiError> EndOrphan(Services& services, store::KeptObject& object);

struct KeptCall {
  Services& services;
  const http::HttpRequest& http;
  const Reply& reply;
  std::string project;
  int64_t now = 0;  // Unix seconds

  std::string Param(std::string_view name) const { return std::string(http.PathParam(name)); }
};
// Nothing: it has been answered, or will be.
using KeptAnswer = api::Parsed<std::optional<std::string>>;
using KeptHandler = KeptAnswer (*)(const KeptCall&);

void RunKept(Services& services, http::HttpRequest request, WriterPtr writer, KeptHandler handler);
// As the table of endpoints takes it.
template <KeptHandler kHandler>
void Keep(Services& services, http::HttpRequest request, WriterPtr writer) {
  RunKept(services, std::move(request), std::move(writer), kHandler);
}

// The object of the path's {id}, if it is of that kind and of this project. what: for a 404.
api::Parsed<store::KeptObject> FindKept(const KeptCall& call, store::KeptKind kind,
                                        std::string_view what);

KeptAnswer GetResponse(const KeptCall& call);
KeptAnswer DeleteResponse(const KeptCall& call);
KeptAnswer CancelResponse(const KeptCall& call);
KeptAnswer ListInputItems(const KeptCall& call);
KeptAnswer RefuseCompaction(const KeptCall& call);

KeptAnswer CreateConversation(const KeptCall& call);
KeptAnswer GetConversation(const KeptCall& call);
KeptAnswer UpdateConversation(const KeptCall& call);
KeptAnswer DeleteConversation(const KeptCall& call);
KeptAnswer AddConversationItems(const KeptCall& call);
KeptAnswer ListConversationItems(const KeptCall& call);
KeptAnswer GetConversationItem(const KeptCall& call);
KeptAnswer DeleteConversationItem(const KeptCall& call);

KeptAnswer ListChats(const KeptCall& call);
KeptAnswer GetChat(const KeptCall& call);
KeptAnswer UpdateChat(const KeptCall& call);
KeptAnswer DeleteChat(const KeptCall& call);
KeptAnswer ListChatMessages(const KeptCall& call);

}  // namespace infe::server

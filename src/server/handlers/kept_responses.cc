// What is kept of responses: looked at, followed, cancelled, removed.
#include <utility>

#include "api/openai/kept_page.h"
#include "api/openai/responses/kept.h"
#include "api/openai/responses/object.h"
#include "api/query_string.h"
#include "base/json.h"
#include "http/sse.h"
#include "server/handlers/background.h"
#include "server/handlers/kept.h"

namespace infe::server {
namespace {

namespace responses = api::responses;
using store::KeptObject;

api::Parsed<KeptObject> FindResponse(const KeptCall& call) {
  return FindKept(call, store::KeptKind::kResponse, "Response");
}

api::ApiError Refused(std::string message) {
  api::ApiError error;
  error.message = std::move(message);
  return error;
}

struct Following {
  bool stream = false;
  int64_t after = -1;
};

api::Parsed<Following> ParseFollowing(std::string_view text) {
  const auto query = api::QueryString::Parse(text);
  if (!query) return query.error();
  const auto stream = query->Bool("stream");
  if (!stream) return stream.error();
  const auto after = query->Integer("starting_after", {.min = 0});
  if (!after) return after.error();
  return Following{stream->value_or(false), after->value_or(-1)};
}

}  // namespace

KeptAnswer GetResponse(const KeptCall& call) {
  const auto following = ParseFollowing(call.http.query);
  if (!following) return following.error();
  auto object = FindResponse(call);
  if (!object) return object.error();
  if (auto error = EndOrphan(call.services, *object)) return *std::move(error);
  if (following->stream) {
    http::Headers headers = call.reply.Headers();
    for (const auto& [name, value] : http::SseHeaders()) headers.Set(name, value);
    const auto answer = call.services.background.Find(call.project, object->id);
    if (answer && answer->Follow(call.reply.writer(), std::move(headers), following->after))
      return std::optional<std::string>();
    return Refused(
        "This response cannot be streamed: it was not made with 'background' and 'stream', or its "
        "events are kept no longer. Without 'stream' it is there.");
  }
  return std::optional(std::move(object->body));
}

KeptAnswer DeleteResponse(const KeptCall& call) {
  const auto object = FindResponse(call);
  if (!object) return object.error();
  const auto remove = [&services = call.services, reply = call.reply, project = call.project,
                       id = object->id, now = call.now] {
    const auto removed = services.kept.Remove(project, id, now);
    if (!removed) return reply.SendError(DatabaseError());
    reply.SendJson(api::WriteRemoved(id, "response"));
  };
  // What it would have come to is not to be kept behind its back.
  if (const auto answer = call.services.background.Find(call.project, object->id))
    answer->Cancel(remove);
  else
    remove();
  return std::optional<std::string>();
}

KeptAnswer CancelResponse(const KeptCall& call) {
  auto object = FindResponse(call);
  if (!object) return object.error();
  const auto body = ParseJson(object->body, {.depth = 1024});
  if (!body) return api::InternalError();
  const Json* background = body->find("background");
  if (background == nullptr || !background->is_bool() || !background->as_bool())
    return Refused("Cannot cancel a synchronous response.");
  if (auto error = EndOrphan(call.services, *object)) return *std::move(error);
  if (object->boot == 0) return std::optional(std::move(object->body));
  const auto answer = call.services.background.Find(call.project, object->id);
  if (!answer) return Refused("This response is being made by another server: cancel it there.");
  answer->Cancel([&services = call.services, reply = call.reply, project = call.project,
                  id = object->id, now = call.now] {
    const auto now_kept = services.kept.Find(project, id, now);
    if (!now_kept || !*now_kept) return reply.SendError(api::NotKept("Response", id));
    reply.SendJson((*now_kept)->body);
  });
  return std::optional<std::string>();
}

KeptAnswer ListInputItems(const KeptCall& call) {
  const auto object = FindResponse(call);
  if (!object) return object.error();
  const auto query = api::ParsePageQuery(call.http.query);
  if (!query) return query.error();
  return std::optional(api::WriteItemPage(object->input, *query));
}

KeptAnswer RefuseCompaction(const KeptCall&) {
  return Refused(
      "infe does not compact conversations. 'truncation: auto' drops the oldest turns of one that "
      "is too long.");
}

}  // namespace infe::server

#include "server/handlers/kept.h"

#include <utility>

#include "api/openai/kept_page.h"
#include "base/json.h"
#include "server/door/errors.h"

namespace infe::server {
namespace {

constexpr int64_t kDaySeconds = 24 * 60 * 60;
constexpr int64_t kRetryAfterStopMs = 1000;

}  // namespace

bool MayKeep(const LiveSettings& settings, const Caller& caller) {
  return settings.config.keep_responses &&
         (!caller.key || caller.key->Has(store::KeyScope::kStorage));
}

int64_t KeptSeconds(const LiveSettings& settings) {
  return int64_t{settings.config.kept_days} * kDaySeconds;
}

api::ApiError DatabaseError() {
  return api::Overloaded(JitteredRetryMs());
}

std::optional<api::ApiError> EndOrphan(Services& services, store::KeptObject& object) {
  if (object.boot == 0 || services.background.Find(object.project, object.id)) return std::nullopt;
  const auto worked_on = services.kept.IsWorkedOn(object);
  if (!worked_on) return DatabaseError();
  if (*worked_on && object.boot != services.ledger.boot_id()) return std::nullopt;
  auto body = ParseJson(object.body, {.depth = 1024});
  if (!body) return api::InternalError();
  body->set("status", "failed");
  body->set("error", Json::Object{{"code", "server_error"},
                                  {"message", "The server that worked on it has stopped."}});
  object.body = body->Dump();
  object.boot = 0;
  services.kept.Put(object);
  return std::nullopt;
}

void RunKept(Services& services, http::HttpRequest request, WriterPtr writer, KeptHandler handler) {
  const auto http = std::make_shared<http::HttpRequest>(std::move(request));
  const Reply reply(ContextOf(*http), std::move(writer));
  const auto run = [&services, http, reply, handler] {
    auto body =
        handler({services, *http, reply, reply.caller().project(), services.clock.unix_s()});
    if (!body) return reply.SendError(body.error());
    if (*body) reply.SendJson(**std::move(body));
  };
  const auto submitted = services.pools.kept.Submit({.key = reply.caller().pool_key(),
                                                     .kind = "kept",
                                                     .request_id = reply.caller().request_id,
                                                     .bytes = http->body.size(),
                                                     .run = run});
  switch (submitted.refusal) {
    case TaskPool::Refusal::kNone:
      return;
    case TaskPool::Refusal::kKeyFull:
      services.metrics.AddRejected(Rejection::kKeyTasks);
      return reply.SendError(api::TooManyWaiting(JitteredRetryMs()));
    case TaskPool::Refusal::kPoolFull:
      services.metrics.AddRejected(Rejection::kTasks);
      return reply.SendError(api::Overloaded(JitteredRetryMs()));
    case TaskPool::Refusal::kStopping:
      return reply.SendError(api::ShuttingDown(kRetryAfterStopMs));
  }
}

api::Parsed<store::KeptObject> FindKept(const KeptCall& call, store::KeptKind kind,
                                        std::string_view what) {
  const std::string id = call.Param("id");
  auto found = call.services.kept.Find(call.project, id, call.now);
  if (!found) return DatabaseError();
  if (!*found || (*found)->kind != kind) return api::NotKept(what, id);
  return **std::move(found);
}

}  // namespace infe::server

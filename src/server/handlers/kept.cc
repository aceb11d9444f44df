#include "server/handlers/kept.h"

#include <utility>

#include "api/openai/responses/kept.h"
#include "server/door/errors.h"

namespace infe::server {
namespace {

constexpr int64_t kDaySeconds = 24 * 60 * 60;

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
  if (submitted.refusal != TaskPool::Refusal::kNone)
    reply.SendError(api::Overloaded(JitteredRetryMs()));
}

api::Parsed<store::KeptObject> FindKept(const KeptCall& call, store::KeptKind kind,
                                        std::string_view what) {
  const std::string id = call.Param("id");
  auto found = call.services.kept.Find(call.project, id, call.now);
  if (!found) return DatabaseError();
  if (!*found || (*found)->kind != kind) return api::responses::NotKept(what, id);
  return **std::move(found);
}

}  // namespace infe::server

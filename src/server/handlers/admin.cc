#include "server/handlers/admin.h"

#include "base/check.h"
#include "server/door/errors.h"
#include "server/door/reply.h"
#include "store/audit_log.h"

namespace infe::server {

void RunAdmin(Services& services, http::HttpRequest request, WriterPtr writer,
              AdminHandler handler) {
  const auto http = std::make_shared<http::HttpRequest>(std::move(request));
  const Reply reply(ContextOf(*http), std::move(writer));
  const std::optional<store::KeyRecord>& key = reply.caller().key;
  INFE_CHECK(key.has_value());
  const auto run = [&services, http, reply, handler] {
    auto body = handler({services, *http, reply.caller(), services.clock.unix_s()});
    if (!body) return reply.SendError(body.error());
    reply.SendJson(std::move(*body));
  };
  const auto submitted = services.pools.admin.Submit({.key = key->id,
                                                      .kind = "administration",
                                                      .request_id = reply.caller().request_id,
                                                      .bytes = http->body.size(),
                                                      .run = run});
  if (submitted.refusal != TaskPool::Refusal::kNone)
    reply.SendError(api::Overloaded(JitteredRetryMs()));
}

store::ChangeBy ChangeBy(const AdminCall& call) {
  return {call.caller.key->id, call.http.remote_address};
}

}  // namespace infe::server

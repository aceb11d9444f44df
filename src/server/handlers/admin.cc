#include "server/handlers/admin.h"

#include "server/door/errors.h"
#include "server/door/reply.h"
#include "store/audit_log.h"

namespace infe::server {

void RunAdmin(Services& services, http::HttpRequest request, WriterPtr writer,
              store::KeyScope scope, AdminHandler handler) {
  const auto http = std::make_shared<http::HttpRequest>(std::move(request));
  const Reply reply(ContextOf(*http), std::move(writer));
  const std::optional<store::KeyRecord>& key = reply.caller().key;
  // The head hook has let in whose class may come here; this is the second lock.
  const bool is_api = key && key->kind == store::KeyKind::kApi;
  const bool is_usage = scope == store::KeyScope::kAdminUsage;
  const bool own_usage = is_usage && is_api && key->Has(store::KeyScope::kUsageRead);
  const bool admin = key && key->kind == store::KeyKind::kAdmin && key->Has(scope);
  if (!admin && !own_usage) {
    const store::KeyScope missing = is_usage && is_api ? store::KeyScope::kUsageRead : scope;
    return reply.SendError(
        api::InsufficientPermissions(store::ScopeNames(store::Bit(missing)).front()));
  }
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

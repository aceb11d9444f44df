#include "server/handlers/admin.h"

#include "server/errors.h"
#include "server/handlers/stages.h"
#include "store/audit_log.h"

namespace infe::server {

void RunAdmin(Services& services, http::HttpRequest request, WriterPtr writer,
              store::KeyScope scope, AdminHandler handler) {
  const auto http = std::make_shared<http::HttpRequest>(std::move(request));
  const auto context = ContextOf(*http);
  // The head hook has let in whose class may come here; this is the second lock.
  const bool own_usage = context->key && scope == store::KeyScope::kAdminUsage &&
                         context->key->kind == store::KeyKind::kApi &&
                         context->key->Has(store::KeyScope::kUsageRead);
  const bool admin =
      context->key && context->key->kind == store::KeyKind::kAdmin && context->key->Has(scope);
  if (!admin && !own_usage) {
    const bool wants_usage = scope == store::KeyScope::kAdminUsage && context->key &&
                             context->key->kind == store::KeyKind::kApi;
    const store::KeyScope missing = wants_usage ? store::KeyScope::kUsageRead : scope;
    return SendError(*context, writer,
                     api::InsufficientPermissions(store::ScopeNames(store::Bit(missing)).front()));
  }
  const bool queued = services.tasks.Submit([&services, http, context, writer, handler] {
    auto body = handler({services, *http, *context, services.clock.unix_s()});
    if (!body) return SendError(*context, writer, body.error());
    http::HttpResponse response;
    response.headers = CommonHeaders(*context);
    response.headers.Set("Content-Type", "application/json");
    response.body = std::move(*body);
    writer->Send(std::move(response));
  });
  if (!queued) SendError(*context, writer, api::Overloaded(JitteredRetryMs()));
}

store::ChangeBy ChangeBy(const AdminCall& call) {
  return {call.context.key->id, call.http.remote_address};
}

}  // namespace infe::server

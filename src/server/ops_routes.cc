#include "server/ops_routes.h"

#include <fmt/format.h>

#include "server/admin_routes.h"
#include "server/door/request_context.h"
#include "server/handlers/handlers.h"
#include "server/version.h"

namespace infe::server {

http::Router MakeOpsRoutes(Services& services, std::function<std::string()> metrics) {
  http::Router router;
  const auto add = [&](const char* pattern,
                       void (*handle)(Services&, http::HttpRequest, WriterPtr)) {
    router.Add("GET", pattern, [&services, handle](http::HttpRequest request, WriterPtr writer) {
      handle(services, std::move(request), std::move(writer));
    });
  };
  add("/livez", HandleLive);
  add("/readyz", HandleReady);
  add("/health", HandleReady);
  router.Add("GET", "/metrics",
             [metrics = std::move(metrics)](const http::HttpRequest&, const WriterPtr& writer) {
               http::HttpResponse response;
               response.headers.Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
               response.body = metrics();
               writer->Send(std::move(response));
             });
  router.Add("GET", "/version", [](const http::HttpRequest&, const WriterPtr& writer) {
    http::HttpResponse response;
    response.headers.Set("Content-Type", "application/json");
    response.body = fmt::format("{{\"version\":\"{}\"}}", kVersion);
    writer->Send(std::move(response));
  });
  AddAdminRoutes(services, router);
  return router;
}

}  // namespace infe::server

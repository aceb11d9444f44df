#include "server/routes.h"

#include "server/admin_routes.h"
#include "server/handlers/handlers.h"

namespace infe::server {

http::Router MakeRoutes(Services& services) {
  http::Router router;
  const auto add = [&](const char* method, const char* pattern,
                       void (*handle)(Services&, http::HttpRequest, WriterPtr)) {
    router.Add(method, pattern, [&services, handle](http::HttpRequest request, WriterPtr writer) {
      handle(services, std::move(request), std::move(writer));
    });
  };
  add("POST", "/v1/chat/completions", HandleChatCompletions);
  add("POST", "/v1/chat/completions/input_tokens", HandleInputTokens);
  add("POST", "/v1/chat/completions/render", HandleRender);
  add("POST", "/v1/completions", HandleCompletions);
  add("GET", "/v1/models", HandleListModels);
  add("GET", "/v1/models/{id*}", HandleGetModel);
  add("GET", "/", HandleRoot);
  add("GET", "/livez", HandleLive);
  add("GET", "/readyz", HandleReady);
  add("GET", "/health", HandleReady);
  AddUsageRoutes(services, router);
  return router;
}

}  // namespace infe::server

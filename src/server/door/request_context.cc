#include "server/door/request_context.h"

namespace infe::server {

std::shared_ptr<RequestContext> ContextOf(const http::HttpRequest& request) {
  if (request.context) return std::static_pointer_cast<RequestContext>(request.context);
  return std::make_shared<RequestContext>(ReadCaller(request), nullptr);
}

}  // namespace infe::server

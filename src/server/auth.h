// The head hook: before any of a body is read, who asks is known and strangers are turned away.
#pragma once

#include <optional>

#include "http/message.h"
#include "server/services.h"

namespace infe::server {

// Leaves a RequestContext in head.context. Routes outside /v1 need no key; a server without keys
// (loopback only) takes everyone.
std::optional<http::HttpResponse> Authenticate(Services& services, http::HttpRequest& head);

}  // namespace infe::server

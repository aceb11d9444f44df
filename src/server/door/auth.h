// The head hook: before any of a body is read, who asks is known and strangers are turned away.
#pragma once

#include <optional>

#include "http/message.h"
#include "server/services.h"

namespace infe::server {

// Leaves a RequestContext in head.context. The row of the endpoint says what a key must be able to
// do, and whether one is needed; a server that never had keys (loopback only) takes everyone, one
// that lost them nobody (door.h). Also refuses what needs no body to be refused: a foreign Host, a
// wrong content type, a server that is loading or draining, full queues.
std::optional<http::HttpResponse> Authenticate(Services& services, http::HttpRequest& head);

// The same for the operations listener: it answers to names of this machine only, as parts of it
// need no key, and administration always needs one, which the handler finds in the context's
// caller: an admin key, or for usage an API key.
std::optional<http::HttpResponse> AuthenticateOps(Services& services, http::HttpRequest& head);

}  // namespace infe::server

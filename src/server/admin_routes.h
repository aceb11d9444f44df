// Administration, in the shapes of OpenAI's /v1/organization: every route of it, in one list. On
// the operations listener, whose head hook has made sure of a key.
#pragma once

#include "http/router.h"
#include "server/services.h"

namespace infe::server {

// services outlives the router, of both.
void AddAdminRoutes(Services& services, http::Router& router);
// Usage and costs alone, which the API's own listener has too: an API key with usage.read sees its
// project's.
void AddUsageRoutes(Services& services, http::Router& router);

}  // namespace infe::server

// Administration, in the shapes of OpenAI's /v1/organization: every route of it, in one list. On
// the operations listener, whose head hook has made sure of an admin key.
#pragma once

#include "http/router.h"
#include "server/services.h"

namespace infe::server {

// services outlives the router.
void AddAdminRoutes(Services& services, http::Router& router);

}  // namespace infe::server

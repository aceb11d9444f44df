// Every route of the public API, in one list.
#pragma once

#include "http/router.h"
#include "server/services.h"

namespace infe::server {

// services outlives the router.
http::Router MakeRoutes(Services& services);

}  // namespace infe::server

// The operations listener: metrics, health, version. On loopback by default, without keys: what it
// tells holds no text of anybody's requests.
#pragma once

#include <functional>
#include <string>

#include "http/router.h"
#include "server/services.h"

namespace infe::server {

// metrics: makes the text of a scrape. Both outlive the router.
http::Router MakeOpsRoutes(Services& services, std::function<std::string()> metrics);

}  // namespace infe::server

// The operations listener: metrics, health, version, administration. On loopback by default. All
// but administration needs no key: what it tells holds no text of anybody's requests.
#pragma once

#include <functional>
#include <string>

#include "http/router.h"
#include "server/services.h"

namespace infe::server {

// metrics: makes the text of a scrape. Both outlive the router.
http::Router MakeOpsRoutes(Services& services, std::function<std::string()> metrics);

}  // namespace infe::server

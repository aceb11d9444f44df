// Every endpoint of both listeners, a row each: the only place where a route stands. A new endpoint
// is a handler and a row (docs/adding-an-endpoint.md); docs/endpoints.md is made of the rows.
#pragma once

#include <span>
#include <string>

#include "http/router.h"
#include "server/endpoint.h"

namespace infe::server {

std::span<const Endpoint> Endpoints();

// The rows of one listener, each bound to services. services and rows outlive the router.
http::Router MakeRoutes(Services& services, Listener listener,
                        std::span<const Endpoint> rows = Endpoints());

// The row of a request that was routed by one of them, by its method and pattern; or null.
const Endpoint* FindEndpoint(std::span<const Endpoint> rows, const http::HttpRequest& request);

// The table of docs/endpoints.md.
std::string EndpointsAsMarkdown(std::span<const Endpoint> rows);

}  // namespace infe::server

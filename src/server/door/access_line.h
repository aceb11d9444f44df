// The text of one line of the access log.
#pragma once

#include <cstdint>
#include <string>

#include "http/server.h"
#include "server/door/request_context.h"

namespace infe::server {

// model: the served model's own name, or empty; what a client called it is not repeated, nor is the
// path (its route is). caller may be null: the head could not be read or matched no route.
// unix_ms: the end of the request.
std::string AccessLine(const http::ExchangeRecord& record, const Caller* caller,
                       const RequestFacts& facts, const std::string& model, int64_t unix_ms);

// The status of a client that left before its answer: nginx's number.
inline constexpr int kClientGoneStatus = 499;

// "2026-01-31T12:34:56.789Z"
std::string Rfc3339(int64_t unix_ms);

}  // namespace infe::server

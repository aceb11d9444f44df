// How a request with a body becomes work: two stages on bounded pools, each of which may end it
// with an error. Intake parses and admits, and is quick, so that refusals are; what it returns
// renders, tokenises, compiles, and hands over to the engine.
#pragma once

#include <functional>
#include <optional>

#include "api/parsed.h"
#include "server/handlers/handlers.h"
#include "server/reply.h"

namespace infe::server {

// Both get the reply that is theirs until they return.
using Work = std::function<std::optional<api::ApiError>(Reply&)>;
using Intake = std::function<api::Parsed<Work>(Reply&)>;

// I/O thread. Work answers by the reply, unless it returns an error.
void RunStages(Services& services, Reply reply, size_t body_bytes, Intake intake);

}  // namespace infe::server

// How a request with a body becomes work: two stages on bounded pools, each of which may end it
// with an error. Intake parses and admits, and is quick, so that refusals are; what it returns
// renders, tokenises, compiles, and hands over to the engine.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "api/parsed.h"
#include "server/handlers/handlers.h"
#include "server/request_context.h"

namespace infe::server {

using Work = std::function<std::optional<api::ApiError>()>;
using Intake = std::function<api::Parsed<Work>()>;

struct StageRequest {
  std::shared_ptr<RequestContext> context;
  WriterPtr writer;
  size_t body_bytes = 0;
};
// I/O thread. Work answers by the writer, unless it returns an error.
void RunStages(Services& services, StageRequest request, Intake intake);

// The answer to a request that failed.
void SendError(RequestContext& context, const WriterPtr& writer, const api::ApiError& error);

}  // namespace infe::server

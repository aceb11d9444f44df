// GET /livez, /readyz, /health: no key needed, nothing about load in liveness.
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "server/door/door.h"
#include "server/door/reply.h"
#include "server/handlers/handlers.h"

namespace infe::server {
namespace {

void Answer(const http::HttpRequest& request, const WriterPtr& writer, int status,
            std::string body) {
  http::HttpResponse response;
  response.status = status;
  response.headers = Reply(ContextOf(request), writer).Headers();
  response.headers.Set("Content-Type", "application/json");
  if (status == 503) response.headers.Set("Retry-After", "1");
  response.body = std::move(body);
  writer->Send(std::move(response));
}

}  // namespace

std::vector<Stuck> WhatIsStuck(Services& services) {
  return FindStuck(
      services.liveness,
      {services.models, services.pools, services.api_server.load(), services.ops_server.load()},
      std::chrono::steady_clock::now());
}

void HandleLive(Services& services, http::HttpRequest request, WriterPtr writer) {
  const std::vector<Stuck> stuck = WhatIsStuck(services);
  if (stuck.empty()) return Answer(request, writer, 200, "{\"status\":\"ok\"}");
  // Which kinds of threads; what they work on is for the log.
  std::set<std::string> where;
  for (const Stuck& one : stuck) where.insert(one.where);
  Answer(request, writer, 503,
         fmt::format("{{\"status\":\"stuck\",\"stuck\":[\"{}\"]}}", fmt::join(where, "\",\"")));
}

bool IsShut(const Services& services) {
  return DoorFor(services.keys.state(), services.settings.Get()->config.require_keys) ==
         Door::kShut;
}

bool IsReady(Services& services) {
  return services.state.load() == ServingState::kReady &&
         services.ledger.Stats().state != store::LedgerState::kFailing && !IsShut(services);
}

void HandleReady(Services& services, http::HttpRequest request, WriterPtr writer) {
  switch (services.state.load()) {
    case ServingState::kReady:
      if (IsShut(services)) return Answer(request, writer, 503, "{\"status\":\"keys\"}");
      if (!IsReady(services)) return Answer(request, writer, 503, "{\"status\":\"ledger\"}");
      return Answer(request, writer, 200, "{\"status\":\"ok\"}");
    case ServingState::kLoading:
      return Answer(request, writer, 503, "{\"status\":\"loading\"}");
    case ServingState::kLeaving:
    case ServingState::kDraining:
      return Answer(request, writer, 503, "{\"status\":\"draining\"}");
  }
}

}  // namespace infe::server

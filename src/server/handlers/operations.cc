// GET /metrics, /metrics/history and /version, of the operations port: no key needed, as they hold
// no text of anybody's requests. The first also on the API, for routers that know one port.
#include <fmt/format.h>

#include "server/door/accounting.h"
#include "server/door/reply.h"
#include "server/handlers/handlers.h"
#include "server/metrics/metrics_text.h"
#include "server/models/remote_models.h"
#include "server/version.h"

namespace infe::server {
namespace {

void Answer(const WriterPtr& writer, const char* type, std::string body) {
  http::HttpResponse response;
  response.headers.Set("Content-Type", type);
  response.body = std::move(body);
  writer->Send(std::move(response));
}

std::vector<std::shared_ptr<upstream::Upstream>> UpstreamsOf(const Services& services) {
  const RemoteModels* remote = services.remote.load();
  return remote == nullptr ? std::vector<std::shared_ptr<upstream::Upstream>>()
                           : remote->upstreams();
}

void Scrape(Services& services, const WriterPtr& writer, LoadSeries load) {
  const Accounting* accounting = services.accounting.load();
  Answer(writer, "text/plain; version=0.0.4; charset=utf-8",
         WriteMetrics(
             {.metrics = services.metrics,
              .models = services.models,
              .grammars = services.grammars,
              .pools = services.pools,
              .stuck = WhatIsStuck(services),
              .http = services.api_server.load(),
              .ledger = services.ledger.Stats(),
              .upstreams = UpstreamsOf(services),
              .load_series = load,
              .ready = IsReady(services),
              .log_lines_dropped = accounting == nullptr ? 0 : accounting->log_lines_dropped()}));
}

}  // namespace

void HandleMetrics(Services& services, http::HttpRequest, WriterPtr writer) {
  Scrape(services, writer, LoadSeries::kByModel);
}

void HandleApiMetrics(Services& services, http::HttpRequest request, WriterPtr writer) {
  if (services.settings.Get()->config.metrics_on_api)
    return Scrape(services, writer, LoadSeries::kOfAllModels);
  Reply(ContextOf(request), std::move(writer))
      .SendError(refusal::UnknownUrl(request.method, request.path));
}

void HandleLoadHistory(Services& services, http::HttpRequest, WriterPtr writer) {
  Answer(writer, "application/json", services.load_history.Write());
}

void HandleVersion(Services&, http::HttpRequest, WriterPtr writer) {
  Answer(writer, "application/json", fmt::format("{{\"version\":\"{}\"}}", kVersion));
}

}  // namespace infe::server

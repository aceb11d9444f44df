// The Prometheus text (0.0.4) of /metrics: infe_* and, under their own names, the vllm:* series
// that routers and dashboards look for. Only what we can fill truthfully.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "answer/grammar_cache.h"
#include "http/server.h"
#include "server/door/pools.h"
#include "server/metrics/liveness.h"
#include "server/metrics/metrics.h"
#include "server/models/model_set.h"
#include "store/usage_ledger.h"
#include "upstream/upstream.h"

namespace infe::server {

// How vLLM's names tell running and waiting sequences and KV memory, by which routers choose. Some
// read one series of a name, whichever comes: then it has to be that of all models together.
enum class LoadSeries { kByModel, kOfAllModels };

struct ScrapeSources {
  Metrics& metrics;
  const ModelSet& models;
  const answer::GrammarCache& grammars;
  const Pools& pools;
  std::vector<Stuck> stuck;
  const http::HttpServer* http = nullptr;  // the public server, once it listens
  store::LedgerStats ledger;
  std::vector<std::shared_ptr<upstream::Upstream>> upstreams = {};
  LoadSeries load_series = LoadSeries::kByModel;
  bool ready = false;
  uint64_t log_lines_dropped = 0;
};

// Takes no engine's lock for longer than a copy of its counters.
std::string WriteMetrics(const ScrapeSources& sources);

}  // namespace infe::server

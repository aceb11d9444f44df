// What handlers need of the rest of the server: references, made and owned by App (app.h), alive as
// long as any request is.
#pragma once

#include <atomic>

#include "answer/grammar_cache.h"
#include "base/cpu_features.h"
#include "server/config/live_settings.h"
#include "server/door/cache_salt.h"
#include "server/door/failure_throttle.h"
#include "server/door/live_requests.h"
#include "server/door/pools.h"
#include "server/endpoints.h"
#include "server/handlers/background.h"
#include "server/handlers/live_answers.h"
#include "server/metrics/liveness.h"
#include "server/metrics/load_history.h"
#include "server/metrics/metrics.h"
#include "server/models/model_set.h"
#include "store/store.h"

namespace infe::server {

// kLoading -> kReady -> kLeaving -> kDraining. Leaving: not ready any more, but still serving,
// until load balancers have noticed; draining: new work is refused, what runs is finished.
enum class ServingState { kLoading, kReady, kLeaving, kDraining };

class Accounting;
class RemoteModels;

struct Services {
  Services(const ServerConfig& config, ModelSet& model_set, store::Store& stores,
           CacheSalt cache_salt)
      : settings(config),
        models(model_set),
        keys(stores.keys()),
        limits(stores.limits()),
        ledger(stores.ledger()),
        usage(stores.usage()),
        projects(stores.projects()),
        audit(stores.audit()),
        kept(stores.kept()),
        clock(stores.clock()),
        salt(std::move(cache_salt)) {}

  SettingsHolder settings;
  ModelSet& models;
  store::KeyStore& keys;
  store::Limiter& limits;
  store::UsageLedger& ledger;
  store::UsageReader& usage;
  store::ProjectStore& projects;
  store::AuditLog& audit;
  store::KeptStore& kept;
  store::StoreClock& clock;
  Metrics metrics;
  const CacheSalt salt;
  std::atomic<ServingState> state{ServingState::kLoading};
  // API requests between their head and their end.
  LiveRequests live;
  LiveAnswers answers;
  FailureThrottle key_failures;
  Liveness liveness;
  LoadHistory load_history;
  // Null until they listen.
  std::atomic<const http::HttpServer*> api_server{nullptr}, ops_server{nullptr};
  std::atomic<Accounting*> accounting{nullptr};
  std::atomic<const RemoteModels*> remote{nullptr};
  std::span<const Endpoint> endpoints = Endpoints();  // what the door looks a request up in
  // A few hundred agents' tool sets; a compiled schema is some tens of kilobytes.
  answer::GrammarCache grammars{512, 64 << 20};
  Pools pools{GetCpuFeatures().cores_allowed};
  Background background;
};

}  // namespace infe::server

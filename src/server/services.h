// What handlers need of the rest of the server: references, made and owned by App (app.h), alive as
// long as any request is.
#pragma once

#include <atomic>

#include "server/cache_salt.h"
#include "server/constraint.h"
#include "server/failure_throttle.h"
#include "server/live_generations.h"
#include "server/live_settings.h"
#include "server/liveness.h"
#include "server/metrics.h"
#include "server/model_set.h"
#include "server/task_pool.h"
#include "store/store.h"

namespace infe::server {

// kLoading -> kReady -> kLeaving -> kDraining. Leaving: not ready any more, but still serving,
// until load balancers have noticed; draining: new work is refused, what runs is finished.
enum class ServingState { kLoading, kReady, kLeaving, kDraining };

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
  store::StoreClock& clock;
  Metrics metrics;
  const CacheSalt salt;
  std::atomic<ServingState> state{ServingState::kLoading};
  // API requests between their head and their end.
  std::atomic<int64_t> in_flight{0};
  LiveGenerations generations;
  FailureThrottle key_failures;
  Liveness liveness;
  // A few hundred agents' tool sets; a compiled schema is some tens of kilobytes.
  GrammarCache grammars{512, 256 << 20};
  // Parsing and admission, apart from what takes longer, so that a refusal never waits behind a
  // prompt that is being tokenised.
  TaskPool intake{kIntakeThreads, kTaskQueueMax, TaskPool::Turns::kShort};
  // Rendering, tokenising, compiling grammars: so many that one long prompt does not stop the
  // others. Administration too, as it waits for the database.
  TaskPool tasks{kTaskThreads, kTaskQueueMax};

 private:
  static constexpr uint32_t kIntakeThreads = 1, kTaskThreads = 2;
  static constexpr size_t kTaskQueueMax = 1024;
};

}  // namespace infe::server

// What handlers need of the rest of the server: references, made and owned by Server (app.h), alive
// as long as any request is.
#pragma once

#include <atomic>

#include "api/parse_options.h"
#include "server/config.h"
#include "server/constraint.h"
#include "server/model_set.h"
#include "server/task_pool.h"
#include "store/key_store.h"

namespace infe::server {

enum class ServingState { kLoading, kReady, kDraining };

struct Services {
  Services(const ServerConfig& server_config, ModelSet& model_set, TaskPool& task_pool,
           store::KeyStore& key_store)
      : config(server_config), models(model_set), tasks(task_pool), keys(key_store) {}

  const ServerConfig& config;
  ModelSet& models;
  TaskPool& tasks;
  store::KeyStore& keys;
  std::atomic<ServingState> state{ServingState::kLoading};
  api::ParseOptions parse_options;
  // A few hundred agents' tool sets; a compiled schema is some tens of kilobytes.
  GrammarCache grammars{512};
};

}  // namespace infe::server

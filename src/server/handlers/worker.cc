// GET /server_info, /model_info, /get_load, /get_loads and /load: what a router asks its workers,
// every second and without a key. Names of models and counts, nothing of anybody's requests, and no
// version: whoever looks for servers with a known hole can ask here too.
#include <algorithm>

#include "api/openai/worker_info.h"
#include "engine/engine.h"
#include "model/state.h"
#include "server/door/reply.h"
#include "server/handlers/handlers.h"

namespace infe::server {
namespace {

api::WorkerLoad LoadOf(const Services& services) {
  api::WorkerLoad load;
  for (const auto& model : services.models.All()) {
    const answer::BackendLoad one = model->backend().load();
    load.running += one.running;
    load.waiting += one.waiting;
    const engine::Engine* engine = model->backend().engine();
    if (engine == nullptr) continue;  // answered elsewhere
    const engine::EngineStats stats = engine->stats();
    load.tokens += stats.kv_blocks_used * model::kBlockPositions + stats.waiting_prompt_tokens;
  }
  return load;
}

void Answer(const http::HttpRequest& request, WriterPtr writer, std::string body) {
  Reply(ContextOf(request), std::move(writer)).SendJson(std::move(body));
}

}  // namespace

void HandleServerInfo(Services& services, http::HttpRequest request, WriterPtr writer) {
  const uint32_t batch = services.settings.Get()->config.max_batch;
  std::vector<std::string> names;
  uint32_t running_max = 0;
  for (const auto& model : services.models.All()) {
    names.push_back(model->name());
    if (model->backend().engine() != nullptr) running_max += batch;
  }
  Answer(request, std::move(writer),
         api::WriteServerInfo({.models = names, .running_max = running_max}));
}

void HandleModelInfo(Services& services, http::HttpRequest request, WriterPtr writer) {
  const auto models = services.models.All();
  if (models.empty())
    return Reply(ContextOf(request), std::move(writer)).SendError(refusal::UnknownModel(""));
  const answer::ModelFacts& facts = models.front()->backend().facts();
  Answer(request, std::move(writer),
         api::WriteModelInfo({.name = facts.name,
                              .architecture = facts.architecture,
                              .is_generation = facts.can.chat || facts.can.text,
                              .context_max = facts.context_max}));
}

void HandleLoads(Services& services, http::HttpRequest request, WriterPtr writer) {
  Answer(request, std::move(writer), api::WriteLoads(LoadOf(services)));
}

void HandleLoad(Services& services, http::HttpRequest request, WriterPtr writer) {
  const api::WorkerLoad load = LoadOf(services);
  switch (services.settings.Get()->config.get_load) {
    case GetLoad::kSglang:
      return Answer(request, std::move(writer), api::WriteLoads(load));
    case GetLoad::kVllm:
      return Answer(request, std::move(writer), api::WriteLoad(load));
  }
}

void HandleServerLoad(Services& services, http::HttpRequest request, WriterPtr writer) {
  Answer(request, std::move(writer), api::WriteServerLoad(LoadOf(services)));
}

}  // namespace infe::server

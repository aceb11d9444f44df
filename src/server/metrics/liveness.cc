#include "server/metrics/liveness.h"

#include <set>
#include <utility>

#include <fmt/format.h>

#include "engine/engine.h"

namespace infe::server {

bool Liveness::Observe(const std::string& name, uint64_t heartbeat, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  const auto [place, is_new] = seen_.try_emplace(name, Seen{heartbeat, now});
  Seen& seen = place->second;
  if (is_new || seen.heartbeat != heartbeat) {
    seen = {heartbeat, now};
    return true;
  }
  return now - seen.moved < kPatience;
}

std::vector<Stuck> FindStuckTasks(const TaskPool& pool, Liveness::Clock::time_point now) {
  std::vector<Stuck> stuck;
  for (const TaskPool::Running& task : pool.running()) {
    if (now - task.since < Liveness::kTaskPatience) continue;
    stuck.push_back({pool.name(), fmt::format("{} of {}", task.kind, task.request_id),
                     static_cast<uint64_t>(task.since.time_since_epoch().count()),
                     std::chrono::duration_cast<std::chrono::seconds>(now - task.since)});
  }
  return stuck;
}

namespace {

void AddLoop(const http::HttpServer* server, const char* what, uint64_t id,
             Liveness::Clock::time_point now, std::vector<Stuck>& stuck) {
  if (server == nullptr) return;
  const auto round = server->LongestRound(now);
  if (round >= Liveness::kRoundPatience)
    stuck.push_back({"io", what, id, std::chrono::duration_cast<std::chrono::seconds>(round)});
}

}  // namespace

std::vector<Stuck> FindStuck(Liveness& liveness, const Watched& watched,
                             Liveness::Clock::time_point now) {
  std::vector<Stuck> stuck;
  for (const TaskPool* pool : watched.pools.All())
    for (Stuck& task : FindStuckTasks(*pool, now)) stuck.push_back(std::move(task));
  AddLoop(watched.api, "the I/O thread of the API", 0, now, stuck);
  AddLoop(watched.ops, "the I/O thread of the operations port", 1, now, stuck);
  for (const auto& model : watched.models.All()) {
    const engine::Engine* engine = model->backend().engine();
    if (engine == nullptr) continue;  // answered elsewhere
    const uint64_t heartbeat = engine->heartbeat();
    if (!liveness.Observe(model->name(), heartbeat, now))
      stuck.push_back({"engine", model->name(), heartbeat, Liveness::kPatience});
  }
  return stuck;
}

std::vector<std::string> StuckReporter::Lines(const std::vector<Stuck>& stuck) {
  std::vector<std::string> lines;
  std::set<std::pair<std::string, uint64_t>> now;
  for (const Stuck& one : stuck) {
    const auto id = std::pair(one.where, one.id);
    now.insert(id);
    if (said_.emplace(id, one.what).second)
      lines.push_back(fmt::format("stuck: {}: {} does not come to its end, after {} s", one.where,
                                  one.what, one.duration.count()));
  }
  for (auto said = said_.begin(); said != said_.end();) {
    if (now.contains(said->first)) {
      ++said;
      continue;
    }
    lines.push_back(fmt::format("stuck no more: {}: {}", said->first.first, said->second));
    said = said_.erase(said);
  }
  return lines;
}

}  // namespace infe::server

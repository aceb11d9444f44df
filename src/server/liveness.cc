#include "server/liveness.h"

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

}  // namespace infe::server

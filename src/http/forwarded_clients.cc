#include "http/forwarded_clients.h"

namespace infe::http {

std::unique_ptr<ForwardedClients::Place> ForwardedClients::Admit(const PeerAddress& client) {
  const bool bounded = limits_.IsBounded(client.text);
  const std::lock_guard lock(mutex_);
  const auto is_full = [this](const std::string& name, uint32_t most) {
    const auto found = under_way_.find(name);
    return found != under_way_.end() && found->second >= most;
  };
  if (bounded && is_full(client.group, limits_.connections_per_address_max)) return nullptr;
  if (bounded && !client.site.empty() && is_full(client.site, limits_.connections_per_site_max))
    return nullptr;
  ++under_way_[client.group];
  if (!client.site.empty()) ++under_way_[client.site];
  return std::unique_ptr<Place>(new Place(*this, client));
}

void ForwardedClients::Leave(const Place& place) {
  const std::lock_guard lock(mutex_);
  for (const std::string& name : {place.group_, place.site_})
    if (const auto found = under_way_.find(name); found != under_way_.end() && --found->second == 0)
      under_way_.erase(found);
}

}  // namespace infe::http

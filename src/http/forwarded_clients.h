// How many requests each client behind trusted proxies has under way. The connections are the
// proxies' own, which have no bound per address; so what an address may have of connections
// elsewhere it may here have of requests. Any thread: a look-up under a mutex.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "http/limits.h"
#include "http/socket.h"

namespace infe::http {

class ForwardedClients {
 public:
  // One request's place, until it is answered. Must not outlive the ForwardedClients.
  class Place {
   public:
    ~Place() { clients_.Leave(*this); }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    friend class ForwardedClients;
    Place(ForwardedClients& clients, const PeerAddress& client)
        : clients_(clients), group_(client.group), site_(client.site) {}
    ForwardedClients& clients_;
    const std::string group_, site_;
  };

  // limits: borrowed.
  explicit ForwardedClients(const HttpLimits& limits) : limits_(limits) {}
  ForwardedClients(const ForwardedClients&) = delete;
  ForwardedClients& operator=(const ForwardedClients&) = delete;

  // Null: this client, or its IPv6 site, has as many under way as it may.
  std::unique_ptr<Place> Admit(const PeerAddress& client);

 private:
  void Leave(const Place& place);

  const HttpLimits& limits_;
  std::mutex mutex_;
  // By PeerAddress::group and PeerAddress::site, which never look alike; no zeroes. Guarded.
  std::unordered_map<std::string, uint32_t> under_way_;
};

}  // namespace infe::http

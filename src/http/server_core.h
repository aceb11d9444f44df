// What all connections of one server share: configuration, routes, counters and the bounds that
// span connections. Lives until the last connection is gone.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "http/connection_slots.h"
#include "http/forwarded_clients.h"
#include "http/message.h"
#include "http/router.h"
#include "http/server.h"

namespace infe::http {

class ServerCore {
 public:
  ServerCore(ServerOptions options, Router router);

  const ServerOptions& options() const { return options_; }
  const HttpLimits& limits() const { return options_.limits; }
  const Router& router() const { return router_; }

  HttpResponse MakeError(int status, std::string_view reason,
                         const HttpRequest& head = HttpRequest()) const;

  // The HeadHook's verdict; 500 if it throws.
  std::optional<HttpResponse> AskHook(HttpRequest& head) const;

  ConnectionSlots& slots() { return slots_; }
  ForwardedClients& forwarded_clients() { return forwarded_clients_; }
  // Every connection from its making to its end, with a slot or not.
  void AddConnection() { open_.fetch_add(1); }
  void ForgetConnection() { open_.fetch_sub(1); }
  size_t open_connections() const { return open_.load(); }

  // Memory of bodies that are still arriving. False: over the limit, and nothing was counted.
  bool ReserveBody(uint64_t bytes);
  void FreeBody(uint64_t bytes) { body_bytes_.fetch_sub(bytes); }

  uint64_t body_bytes() const { return body_bytes_.load(); }

  bool draining() const { return draining_.load(std::memory_order_relaxed); }
  void BeginDrain() { draining_.store(true); }

  struct Counters {
    std::atomic<uint64_t> accepted{0};
    std::atomic<uint64_t> refused{0};
    std::atomic<uint64_t> requests{0};
    std::atomic<uint64_t> framing_errors{0};
    std::atomic<uint64_t> timeouts{0};
    std::atomic<uint64_t> write_stalls{0};
  };
  Counters& counters() { return counters_; }

 private:
  const ServerOptions options_;
  const Router router_;
  Counters counters_;
  std::atomic<bool> draining_{false};
  std::atomic<uint64_t> body_bytes_{0};
  std::atomic<size_t> open_{0};
  ConnectionSlots slots_;
  ForwardedClients forwarded_clients_;
};

}  // namespace infe::http

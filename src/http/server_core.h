// What all connections of one server share: configuration, routes, counters and the bounds that
// span connections. Lives until the last connection is gone.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "http/message.h"
#include "http/router.h"
#include "http/server.h"
#include "http/socket.h"

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

  // False: over a connection limit, and nothing was counted.
  bool AdmitConnection(const PeerAddress& peer);
  // Once per admitted connection, at most: a request on it was let in.
  void ProveConnection(const PeerAddress& peer);
  enum class Proof { kNone, kGiven };
  void ForgetConnection(const PeerAddress& peer, Proof proof);
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
  bool IsUnlimited(const PeerAddress& peer) const;

  const ServerOptions options_;
  const Router router_;
  Counters counters_;
  std::atomic<bool> draining_{false};
  std::atomic<uint64_t> body_bytes_{0};
  std::atomic<size_t> open_{0};
  std::mutex mutex_;
  struct AddressCount {
    uint32_t all = 0;
    uint32_t unproven = 0;
  };
  std::unordered_map<std::string, AddressCount> per_address_;  // guarded by mutex_
};

}  // namespace infe::http

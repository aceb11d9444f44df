// The request that a connection is receiving: what its head said, its body as it comes, and the
// memory that the body holds of what all connections may. Outlives the HttpRequest that the handler
// takes: the record of the exchange needs the rest at the end. Belongs to the connection's loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/event_loop.h"
#include "http/message.h"
#include "http/parser.h"
#include "http/router.h"
#include "http/server.h"
#include "http/server_core.h"

namespace infe::http {

class IncomingRequest {
 public:
  using Clock = EventLoop::Clock;

  explicit IncomingRequest(ServerCore& core) : core_(core) {}
  ~IncomingRequest() { FreeBody(); }
  IncomingRequest(const IncomingRequest&) = delete;
  IncomingRequest& operator=(const IncomingRequest&) = delete;

  // Its first byte is here.
  void Begin(Clock::time_point now) { arrival_ = request_.arrival = now; }
  // Its head is whole; target, fields and method are moved out of it.
  void TakeHead(RequestHead& head, const PeerAddress& peer, bool is_tls);
  // It came through a proxy, and this is whose it is. place: null if it is to be refused.
  void SetClient(const std::string& address, std::unique_ptr<ForwardedClients::Place> place);
  void SetRoute(RouteMatch match);  // kFound

  // Another piece of the body. kKeep: for the handler; kDrop: of a refused request, only counted.
  enum class Purpose { kKeep, kDrop };
  enum class Verdict { kTaken, kTooSlow, kNoRoom };
  Verdict AddBody(std::string_view piece, Purpose purpose);
  void FreeBody();

  HttpRequest& request() { return request_; }
  // For the handler, which owns the body's memory from then on.
  HttpRequest Release();
  const Route* route() const { return route_; }
  bool keeps_alive() const { return keeps_alive_; }
  bool is_head() const { return is_head_; }
  // Its head was read, and nobody has been told how it ended.
  bool unrecorded() const { return unrecorded_; }
  // The HeadHook has looked at it: what it left goes into the record too.
  void NoteContext() { context_ = request_.context; }
  // Tells options().on_exchange_end. Of the record it fills in what is known here.
  void Record(ExchangeRecord record);

  // For the next request of the connection.
  void Reset();

 private:
  bool Grow(size_t more);

  ServerCore& core_;
  HttpRequest request_;
  const Route* route_ = nullptr;                    // the core's router keeps it
  std::string method_, path_;                       // copies, if somebody wants the record
  std::string client_;                              // behind a proxy; empty: the peer itself
  std::unique_ptr<ForwardedClients::Place> place_;  // until its end is recorded
  std::shared_ptr<void> context_;
  Clock::time_point arrival_{};
  Clock::time_point body_start_{};
  uint64_t body_received_ = 0;
  uint64_t body_reserved_ = 0;
  std::optional<uint64_t> body_announced_;
  bool keeps_alive_ = true;
  bool is_head_ = false;
  bool unrecorded_ = false;
};

}  // namespace infe::http

// One request between its head and its end, carried in HttpRequest::context. Task threads work on
// it while its client may leave at any moment, so nothing in it is both shared and changing:
//
//   caller     const                    any thread reads it
//   endpoint   const                    any thread reads it
//   charge     guards itself            any thread
//   cancelled  atomic, only ever set    any thread
//   facts      the connection's loop's  others hand over what they learnt (reply.h, Reply::Note)
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "base/check.h"
#include "http/message.h"
#include "server/door/caller.h"
#include "server/door/charge.h"
#include "server/door/live_requests.h"

namespace infe::server {

struct Endpoint;

// What the log tells at the end, and what is billed.
struct RequestFacts {
  std::string model;  // as the client called it
  std::string error_code;
  bool stream = false;
  bool handed_over = false;  // to an engine, which keeps the deadline from then on
  uint32_t prompt_tokens = 0, cached_tokens = 0, completion_tokens = 0;
  uint32_t choices = 1, tokens_max = 0;  // as asked for; 0: not said
  double queue_ms = 0, prefill_ms = 0, decode_ms = 0, ttft_ms = 0;
  std::string finish_reason;
  std::string upstream;  // who was asked for the answer, where the model runs elsewhere
  // Counted while the answer grows, of all choices: what an answer that breaks off has cost.
  uint32_t produced_tokens = 0;
};

class RequestContext {
 public:
  // On the thread of the connection's loop. live: where it counts while it lives; null for what a
  // stopping server does not wait for. row: of a request that has one.
  RequestContext(Caller of, LiveRequests* live, const Endpoint* row = nullptr)
      : caller(std::move(of)), endpoint(row) {
    if (live != nullptr) place_.emplace(*live, cancelled_);
  }
  RequestContext(const RequestContext&) = delete;
  RequestContext& operator=(const RequestContext&) = delete;

  const Caller caller;
  const Endpoint* const endpoint;
  Charge charge;

  // Nobody waits for an answer any more: the client has it or has left, its deadline has passed, or
  // the server ends. Work looks at it, work not begun is dropped.
  const std::atomic<bool>& cancelled() const { return cancelled_; }
  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }

  bool IsOnLoop() const { return std::this_thread::get_id() == loop_; }
  // REQUIRES: IsOnLoop.
  RequestFacts& facts() {
    INFE_CHECK(IsOnLoop());
    return facts_;
  }

 private:
  const std::thread::id loop_ = std::this_thread::get_id();
  std::atomic<bool> cancelled_{false};
  std::optional<LiveRequests::Place> place_;  // refers to cancelled_
  RequestFacts facts_;
};

// The context that the head hook left, or a new one for a request that did not come so far.
std::shared_ptr<RequestContext> ContextOf(const http::HttpRequest& request);

}  // namespace infe::server

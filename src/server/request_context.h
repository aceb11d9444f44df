// One request between its head and its end, carried in HttpRequest::context. Task threads work on
// it while its client may leave at any moment, so nothing in it is both shared and changing:
//
//   caller   const                    any thread reads it
//   charge   guards itself            any thread
//   facts    the connection's loop's  others hand over what they learnt (reply.h, Reply::Note)
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
#include "server/caller.h"
#include "server/charge.h"

namespace infe::server {

// One more request that is being served, for as long as it lives.
class InFlight {
 public:
  explicit InFlight(std::atomic<int64_t>& count) : count_(&count) { count += 1; }
  InFlight(InFlight&& other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
  InFlight& operator=(InFlight&&) = delete;
  ~InFlight() {
    if (count_ != nullptr) *count_ -= 1;
  }

 private:
  std::atomic<int64_t>* count_;
};

// What the log tells at the end, and what is billed.
struct RequestFacts {
  std::string model;  // as the client called it
  std::string error_code;
  bool stream = false;
  uint32_t prompt_tokens = 0, cached_tokens = 0, completion_tokens = 0;
  uint32_t choices = 1, tokens_max = 0;  // as asked for; 0: not said
  double queue_ms = 0, prefill_ms = 0, decode_ms = 0, ttft_ms = 0;
  std::string finish_reason;
  // Counted while the answer grows, of all choices: what an answer that breaks off has cost.
  uint32_t produced_tokens = 0;
};

class RequestContext {
 public:
  // On the thread of the connection's loop. in_flight: empty for what a stopping server does not
  // wait for.
  RequestContext(Caller of, std::optional<InFlight> in_flight)
      : caller(std::move(of)), in_flight_(std::move(in_flight)) {}
  RequestContext(const RequestContext&) = delete;
  RequestContext& operator=(const RequestContext&) = delete;

  const Caller caller;
  Charge charge;

  bool IsOnLoop() const { return std::this_thread::get_id() == loop_; }
  // REQUIRES: IsOnLoop.
  RequestFacts& facts() {
    INFE_CHECK(IsOnLoop());
    return facts_;
  }

 private:
  const std::thread::id loop_ = std::this_thread::get_id();
  const std::optional<InFlight> in_flight_;
  RequestFacts facts_;
};

// The context that the head hook left, or a new one for a request that did not come so far.
std::shared_ptr<RequestContext> ContextOf(const http::HttpRequest& request);

}  // namespace infe::server

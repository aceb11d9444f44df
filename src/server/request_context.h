// Who is asking, and since when: made when a request's head has been read, carried in
// HttpRequest::context to the handler, the log and the metrics.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "http/headers.h"
#include "http/message.h"
#include "server/charge.h"
#include "store/key_record.h"
#include "store/limits.h"

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

// For x-ratelimit-*: as they were after this request was charged, or before, where it was not.
struct RateHeaders {
  store::RateNumbers requests, tokens;
};

struct RequestContext {
  std::string request_id;         // req_..., sent as x-request-id
  std::string client_request_id;  // X-Client-Request-Id, echoed; bounded and printable
  std::chrono::steady_clock::time_point arrival;
  std::optional<store::KeyRecord> key;  // empty: the server has no keys
  std::string remote_address;
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
  std::optional<RateHeaders> rate;
  Charge charge;
  std::string cors_origin;  // for Access-Control-Allow-Origin, or empty
  std::optional<InFlight> in_flight;

  // What the log tells at the end. Written by the handler's thread before the response is sent.
  std::string model;
  std::string error_code;
  bool stream = false;
  uint32_t prompt_tokens = 0, cached_tokens = 0, completion_tokens = 0;
  uint32_t choices = 1, tokens_max = 0;  // as asked for; 0: not said
  double queue_ms = 0, prefill_ms = 0, decode_ms = 0, ttft_ms = 0;
  std::string finish_reason;
  // Counted while the answer grows, of all choices: what an answer that breaks off has cost.
  std::atomic<uint32_t> produced_tokens{0};

  bool IsPastDeadline() const { return std::chrono::steady_clock::now() >= deadline; }
  // Whose prefix cache: the key's project.
  std::string project() const { return key ? key->project : "default"; }
  // Whose fair share: the project's too. The default project is nobody's in particular; there, each
  // account has its own.
  std::string fairness_key() const {
    if (!key) return {};
    return key->project == "default" ? key->account : key->project;
  }
};

// New context for a request: ids, the deadline its client states.
std::shared_ptr<RequestContext> NewRequestContext(const http::HttpRequest& head);
// The context that the head hook left. Every routed request has one.
std::shared_ptr<RequestContext> ContextOf(const http::HttpRequest& request);

// x-request-id, openai-processing-ms and the other headers that every answer carries.
http::Headers CommonHeaders(const RequestContext& context);

}  // namespace infe::server

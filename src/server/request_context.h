// Who is asking, and since when: made when a request's head has been read, carried in
// HttpRequest::context to the handler, the log and the metrics.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "http/headers.h"
#include "http/message.h"
#include "store/key_store.h"

namespace infe::server {

struct RequestContext {
  std::string request_id;         // req_..., sent as x-request-id
  std::string client_request_id;  // X-Client-Request-Id, echoed; bounded and printable
  std::chrono::steady_clock::time_point arrival;
  std::optional<store::KeyRecord> key;  // empty: the server has no keys
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();

  // What the log tells at the end. Written by the handler's thread before the response is sent.
  std::string model;
  std::string error_code;
  bool stream = false;
  uint32_t prompt_tokens = 0, cached_tokens = 0, completion_tokens = 0;
  double queue_ms = 0, ttft_ms = 0;
  std::string finish_reason;
  // Counted while the answer grows, of all choices: what an answer that breaks off has cost.
  std::atomic<uint32_t> produced_tokens{0};

  // Whose prefix cache and whose fair share: the key's project.
  std::string project() const { return key ? key->project : std::string(); }
};

// New context for a request: ids, the deadline its client states.
std::shared_ptr<RequestContext> NewRequestContext(const http::HttpRequest& head);
// The context that the head hook left. Every routed request has one.
std::shared_ptr<RequestContext> ContextOf(const http::HttpRequest& request);

// x-request-id, openai-processing-ms and the other headers that every answer carries.
http::Headers CommonHeaders(const RequestContext& context);

}  // namespace infe::server

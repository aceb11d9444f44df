// Who is asking, since when, and until when. Made by the head hook (auth.h) while it reads a
// request's head, and const from its answer on: any thread may read it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "http/headers.h"
#include "http/message.h"
#include "store/key_record.h"
#include "store/limits.h"

namespace infe::server {

// For x-ratelimit-*: as they were after this request was charged, or before, where it was not.
struct RateHeaders {
  store::RateNumbers requests, tokens;
};

struct Caller {
  std::string request_id;         // req_..., sent as x-request-id
  std::string client_request_id;  // X-Client-Request-Id, echoed; bounded and printable
  std::chrono::steady_clock::time_point arrival;
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
  std::string remote_address;
  bool speaks_anthropic = false;        // its head has anthropic-version
  std::string cors_origin;              // for Access-Control-Allow-Origin, or empty
  std::optional<store::KeyRecord> key;  // empty: the server has no keys
  std::optional<RateHeaders> rate;      // of the key, before this request was charged

  bool IsPastDeadline() const { return std::chrono::steady_clock::now() >= deadline; }
  // Whose turn it is in the task pools: that share's, or, where the server has no keys, the remote
  // network's: an address, or an IPv6 /56, which is what a provider gives one household.
  std::string pool_key() const;
  // Whose prefix cache: the key's project.
  std::string project() const { return key ? key->project : "default"; }
  // Whose fair share: the project's too. The default project is nobody's in particular; there, each
  // account has its own.
  std::string fairness_key() const {
    if (!key) return {};
    return key->project == "default" ? key->account : key->project;
  }
};

// Whose names the headers of an answer have.
enum class HeaderNames { kOpenAi, kAnthropic };

// What a head says by itself: ids, and the deadline that its client states.
Caller ReadCaller(const http::HttpRequest& head);

// x-request-id, openai-processing-ms and the other headers that every answer carries. rate: as it
// is now, or empty for none.
http::Headers CommonHeaders(const Caller& caller, const std::optional<RateHeaders>& rate,
                            HeaderNames names = HeaderNames::kOpenAi);

}  // namespace infe::server

// HTTP towards other servers: requests out, their answers piece by piece, thousands at once. One
// thread owns libcurl's multi handle and every connection; nobody else touches them. Callers hand
// over orders and are told what happens:
//
//   any thread --Send, Cancel, Pause, SetDeadline--> orders --> the client's thread --> libcurl
//                                       Listener  <------------------/
//
// Why libcurl: connection pools, TLS, proxies' habits and broken framing are outside what infe
// exists for, and it is a dependency already. Why a thread of its own: libcurl's handles belong to
// one, and a connection's loop must never wait for a resolver. Why HTTP/1.1 only: leaving a request
// closes its connection, which every server notices; one slow stream holds up no other.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace infe::upstream {

struct HttpAsk {
  std::string url = {};                          // http:// or https://
  std::vector<std::string> headers = {};         // "Name: value"
  std::shared_ptr<const std::string> body = {};  // POST; null: GET
  std::string ca_file = {};                      // PEM; empty: the system's
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
};

// Of what the answer's head says, what somebody needs.
struct HttpHead {
  int status = 0;
  std::string content_type = {};  // in lower case, without parameters
  int64_t retry_after_ms = -1;    // Retry-After or retry-after-ms; -1: neither
};

struct HttpEnd {
  enum class How : uint8_t {
    kWhole,      // the answer is complete, as its framing says
    kUnreached,  // no connection: refused, not resolved, TLS, connect_timeout
    kCut,        // broke off: the connection closed before the answer was complete
    kDeadline,
    kCancelled,  // by Cancel, or the client ends
  };
  How how = How::kWhole;
  std::string reason = {};  // for the log; names no header and no body
};

// Is told on the client's thread, must not block: OnHead at most once, OnData, then OnEnd exactly
// once, after which it is let go of.
class HttpListener {
 public:
  virtual ~HttpListener() = default;
  virtual void OnHead(HttpHead head) = 0;
  virtual void OnData(std::string_view data) = 0;
  virtual void OnEnd(HttpEnd end) = 0;
};

// A request under way. Thread-safe; every call after its end does nothing.
class HttpTransfer {
 public:
  virtual ~HttpTransfer() = default;
  // Closes its connection; the listener is still told OnEnd.
  virtual void Cancel() = 0;
  // No more is read until it is resumed. Deadlines go on.
  virtual void SetPaused(bool paused) = 0;
  virtual void SetDeadline(std::chrono::steady_clock::time_point deadline) = 0;
};

class HttpClient {
 public:
  static Result<std::unique_ptr<HttpClient>> Start();
  // Cancels what is under way; afterwards no listener is called any more.
  virtual ~HttpClient() = default;
  // Any thread; returns at once.
  virtual std::shared_ptr<HttpTransfer> Send(HttpAsk ask,
                                             std::unique_ptr<HttpListener> listener) = 0;
};

}  // namespace infe::upstream

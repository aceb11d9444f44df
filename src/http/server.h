// The HTTP/1.1 server: listening sockets, I/O threads, connections. One instance per policy: the
// public API and the operations port are two servers. TLS comes from PEM files.
//
//   ServerOptions options;
//   options.listen = {{.host = "127.0.0.1", .port = 8080}};
//   INFE_ASSIGN(auto server, HttpServer::Start(std::move(options), std::move(router)));
//   ...
//   server->Shutdown(std::chrono::seconds(60));
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/limits.h"
#include "http/message.h"
#include "http/router.h"

namespace infe::http {

// Makes the answer for what HTTP itself refuses: 400 framing, 404, 405 (Allow is added), 408 too
// slow, 413, 414, 417, 431, 500 handler lost the request, 503 too much at once. head: the
// request's, as far as it could be read; without fields if it could not.
using ErrorResponder =
    std::function<HttpResponse(int status, std::string_view reason, const HttpRequest& head)>;

// Sees a request of a known route after its head and before any of its body is read. A response
// refuses it. May set request.context, and request.vouched (without a hook every request of a known
// route is). Runs on the I/O thread: must not block.
using HeadHook = std::function<std::optional<HttpResponse>(HttpRequest& head)>;

// Answers OPTIONS (a CORS preflight, say); `allow` is the value for the Allow header.
using OptionsResponder = std::function<HttpResponse(const HttpRequest&, const std::string& allow)>;

// What became of one request, for logs and metrics. Views live during the call only.
struct ExchangeRecord {
  std::string_view method;  // empty when the head could not be read
  std::string_view path;
  std::string_view route;  // empty when none matched
  std::string_view remote_address;
  int status = 0;  // 0: the client left before an answer began
  bool client_gone = false;
  uint64_t request_body_bytes = 0;
  uint64_t response_bytes = 0;           // head and body as sent, chunk framing included
  std::chrono::nanoseconds duration{0};  // first byte read to last byte queued
  std::shared_ptr<void> context;         // what the HeadHook left
};

struct TlsOptions {
  std::string certificate_file;  // PEM, the chain, leaf first
  std::string key_file;          // PEM
};

struct ListenOptions {
  // An address, a name that resolves to one, or "unix:" and a path; that file goes with the server.
  std::string host = "127.0.0.1";
  uint16_t port = 0;      // 0: the system chooses
  int inherited_fd = -1;  // a listening socket from the service manager; taken over
};

struct ServerOptions {
  std::vector<ListenOptions> listen{ListenOptions{}};
  uint32_t io_threads = 1;
  std::optional<TlsOptions> tls;
  HttpLimits limits;
  ErrorResponder error_responder;                              // default: text/plain
  HeadHook head_hook;                                          // default: none
  OptionsResponder options_responder;                          // default: 204 with Allow
  std::function<void(const ExchangeRecord&)> on_exchange_end;  // I/O thread; default: none
};

// Counted since the start.
struct ServerStats {
  uint64_t connections_accepted = 0;
  uint64_t connections_refused = 0;   // at a connection limit, with everybody at work
  uint64_t connections_recycled = 0;  // closed for a newcomer: proved nothing, or were idle
  uint64_t requests = 0;              // handed to a handler
  uint64_t framing_errors = 0;        // 400, 414, 417, 431
  uint64_t timeouts = 0;              // 408
  uint64_t write_stalls = 0;
  uint64_t bodies_in_flight_bytes = 0;  // now: memory of request bodies that are still arriving
};

class HttpServer {
 public:
  static Result<std::unique_ptr<HttpServer>> Start(ServerOptions options, Router router);
  ~HttpServer();  // Shutdown(0)
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Of the first listener.
  uint16_t port() const;
  size_t open_connections() const;
  ServerStats stats() const;
  // The longest that one of the I/O threads has been busy with one round of events: above a second
  // something blocks it. Any thread.
  std::chrono::nanoseconds LongestRound(std::chrono::steady_clock::time_point now) const;

  // From now on every answer says "Connection: close". Connections are still accepted and served.
  void BeginDrain();
  // Closes the listening sockets; open connections go on.
  void StopAccepting();
  // Both of the above, closes idle connections, waits for answers in progress until the time is
  // over, cuts the rest (their OnClose runs), and ends the threads. Blocks; not from an I/O thread.
  void Shutdown(std::chrono::milliseconds wait_max);

  // Reads the PEM files again for connections to come. On an error the old ones stay.
  Result<void> ReloadTls();

 private:
  struct State;
  explicit HttpServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace infe::http

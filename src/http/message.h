// One request as a handler sees it, and one response as it answers. Values: they belong to whoever
// holds them and know nothing of sockets.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/headers.h"

namespace infe::http {

struct HttpRequest {
  std::string method;  // upper case: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE
  std::string target;  // as sent: /v1/models/a%2Fb?x=1
  std::string path;    // the target before '?', escapes left as sent
  std::string query;   // after '?', escapes left as sent, or empty
  std::string route;   // the pattern that matched: /v1/models/{id}
  // Values of the pattern's {names}, escapes decoded.
  std::vector<std::pair<std::string, std::string>> path_params;
  Headers headers;
  std::string body;  // whole, chunks joined; empty while a HeadHook looks at it
  // 192.0.2.1 or 2001:db8::1, without port: the peer's, or whom a trusted proxy names (then there
  // is no port).
  std::string remote_address;
  uint16_t remote_port = 0;
  std::chrono::steady_clock::time_point arrival;  // when the first byte of the request was read
  bool is_tls = false;
  int minor_version = 1;  // HTTP/1.x
  // What a HeadHook wants the handler to find: the caller's identity, say. HTTP never looks at it.
  std::shared_ptr<void> context;
  // What a HeadHook says of its caller: that he has shown who he is. It keeps his connection, and
  // room for his address, when strangers take every connection that there is.
  bool vouched = false;

  // The value of {name}, or "".
  std::string_view PathParam(std::string_view name) const {
    for (const auto& [key, value] : path_params) {
      if (key == name) return value;
    }
    return {};
  }
};

struct HttpResponse {
  int status = 200;
  // Content-Length, Transfer-Encoding and Date are written by the connection and ignored here.
  // "Connection: close" is honoured.
  Headers headers;
  std::string body;
};

// "Not Found" for 404, "" for a status that has none.
std::string_view ReasonPhrase(int status);

}  // namespace infe::http

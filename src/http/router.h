// Which handler answers a method and a path. Patterns are literal segments and {names}:
// "/v1/models/{id}"; a last segment {name*} takes the rest of the path, slashes included. Paths are
// compared as sent, segment by segment, and only then are escapes decoded: "%2F" never makes a
// segment, "." and ".." are ordinary text that matches no literal. Literals win over {names}.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/message.h"
#include "http/response_writer.h"

namespace infe::http {

// Called on the connection's I/O thread with the whole request: must not block.
using Handler = std::function<void(HttpRequest, std::shared_ptr<ResponseWriter>)>;

struct RouteOptions {
  // Overrides HttpLimits::body_bytes_max for this route.
  std::optional<uint64_t> body_bytes_max;
};

struct Route {
  std::string method;
  std::string pattern;
  Handler handler;
  RouteOptions options;
};

struct RouteMatch {
  enum class Kind { kFound, kNotFound, kMethodNotAllowed, kOptions };
  Kind kind = Kind::kNotFound;
  const Route* route = nullptr;  // kFound: lives as long as the router
  std::vector<std::pair<std::string, std::string>> params;
  std::string allow;  // kMethodNotAllowed, kOptions: "GET, HEAD, OPTIONS"
};

class Router {
 public:
  // REQUIRES: pattern starts with '/'; the pair (method, pattern) is new.
  void Add(std::string method, std::string pattern, Handler handler, RouteOptions options = {});

  // HEAD finds a GET route; OPTIONS is kOptions wherever any route has the path, and for "*".
  RouteMatch Match(std::string_view method, std::string_view path) const;

 private:
  std::vector<std::unique_ptr<Route>> routes_;
};

// "%41" -> "A". Nothing for an escape that is not two hex digits, and for %00.
std::optional<std::string> PercentDecode(std::string_view text);

}  // namespace infe::http

// Which web pages may call the API from a browser. Off unless the configuration lists origins;
// never with credentials, as the key travels in a header of the page's own.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/message.h"

namespace infe::server {

class Cors {
 public:
  // origins: "https://app.example" or "*".
  explicit Cors(std::vector<std::string> origins) : origins_(std::move(origins)) {}

  // The value for Access-Control-Allow-Origin, or empty: not allowed, or no browser.
  std::string AllowedOrigin(std::string_view origin) const;
  // Answers a preflight: 204. allow: the methods of the route, as in an Allow header.
  http::HttpResponse Preflight(const http::HttpRequest& request, const std::string& allow) const;

 private:
  const std::vector<std::string> origins_;
};

// For the headers of an answer to an allowed origin: the origin, and the headers that a page may
// read.
void AddCorsHeaders(const std::string& allowed_origin, http::Headers& headers);
// InvalidArgument for what can never match a browser's Origin: a path, a missing scheme.
Result<void> ValidateOrigin(const std::string& origin);

}  // namespace infe::server

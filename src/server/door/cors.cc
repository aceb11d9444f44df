#include "server/door/cors.h"

#include <algorithm>

#include <fmt/format.h>

namespace infe::server {
namespace {

// What clients read of our answers; a browser hides all others from the page.
constexpr const char* kExposed =
    "x-request-id, openai-processing-ms, openai-version, openai-organization, retry-after, "
    "retry-after-ms, x-should-retry, x-ratelimit-limit-requests, x-ratelimit-remaining-requests, "
    "x-ratelimit-reset-requests, x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, "
    "x-ratelimit-reset-tokens, x-infe-seed, x-infe-ignored-params, x-infe-truncated-messages, "
    "server-timing, request-id, anthropic-ratelimit-requests-limit, "
    "anthropic-ratelimit-requests-remaining, anthropic-ratelimit-requests-reset, "
    "anthropic-ratelimit-tokens-limit, anthropic-ratelimit-tokens-remaining, "
    "anthropic-ratelimit-tokens-reset";
constexpr size_t kRequestedHeadersMax = 2048;  // the official client in a browser sends some 20
// Browsers cap it themselves, at 2 hours or less.
constexpr const char* kPreflightSeconds = "600";

bool IsHeaderList(std::string_view text) {
  return text.size() <= kRequestedHeadersMax &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '-' || c == '_' || c == ',' || c == ' ';
         });
}

}  // namespace

std::string Cors::AllowedOrigin(std::string_view origin) const {
  if (origin.empty() || origins_.empty()) return {};
  if (std::find(origins_.begin(), origins_.end(), "*") != origins_.end()) return "*";
  const auto found = std::find(origins_.begin(), origins_.end(), origin);
  return found == origins_.end() ? std::string() : *found;
}

http::HttpResponse Cors::Preflight(const http::HttpRequest& request,
                                   const std::string& allow) const {
  http::HttpResponse response{204, {{"Allow", allow}}, {}};
  const std::string origin = AllowedOrigin(request.headers.Get("Origin"));
  if (origin.empty()) return response;
  AddCorsHeaders(origin, response.headers);
  response.headers.Set("Access-Control-Allow-Methods", allow);
  const std::string_view wanted = request.headers.Get("Access-Control-Request-Headers");
  if (!wanted.empty() && IsHeaderList(wanted))
    response.headers.Set("Access-Control-Allow-Headers", std::string(wanted));
  response.headers.Set("Access-Control-Max-Age", kPreflightSeconds);
  return response;
}

void AddCorsHeaders(const std::string& allowed_origin, http::Headers& headers) {
  if (allowed_origin.empty()) return;
  headers.Set("Access-Control-Allow-Origin", allowed_origin);
  headers.Set("Access-Control-Expose-Headers", kExposed);
  if (allowed_origin != "*") headers.Set("Vary", "Origin");
}

Result<void> ValidateOrigin(const std::string& origin) {
  if (origin == "*" || origin == "null") return {};
  const size_t scheme = origin.find("://");
  const bool good = scheme != std::string::npos && scheme > 0 &&
                    origin.find('/', scheme + 3) == std::string::npos &&
                    origin.size() > scheme + 3 &&
                    origin.find_first_of(" \t\r\n,\"") == std::string::npos;
  if (!good)
    return InvalidArgument(fmt::format(
        "cors_origins: \"{}\" is no origin; write https://app.example, without a path", origin));
  return {};
}

}  // namespace infe::server

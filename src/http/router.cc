#include "http/router.h"

#include <algorithm>

#include "base/check.h"

namespace infe::http {

namespace {

using Params = std::vector<std::pair<std::string, std::string>>;

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Takes "/segment" off the front of `rest`; false at the end.
bool TakeSegment(std::string_view& rest, std::string_view& segment) {
  if (rest.empty()) return false;
  rest.remove_prefix(1);  // the slash
  const size_t end = std::min(rest.find('/'), rest.size());
  segment = rest.substr(0, end);
  rest.remove_prefix(end);
  return true;
}

// Negative: no match. Otherwise a rank, higher for more literal segments.
int MatchPattern(std::string_view pattern, std::string_view path, Params* params) {
  int rank = 0;
  std::string_view want;
  std::string_view have;
  while (TakeSegment(pattern, want)) {
    const std::string_view before = path;
    if (!TakeSegment(path, have)) return -1;
    if (want.size() < 3 || want.front() != '{' || want.back() != '}') {
      if (want != have) return -1;
      ++rank;
      continue;
    }
    want = want.substr(1, want.size() - 2);
    if (want.back() == '*') {
      want.remove_suffix(1);
      have = before.substr(1);
      path = {};
    }
    if (have.empty()) return -1;
    std::optional<std::string> value = PercentDecode(have);
    if (!value) return -1;
    if (params != nullptr) params->emplace_back(want, std::move(*value));
  }
  return path.empty() ? rank : -1;
}

void AddMethod(std::vector<std::string_view>& methods, std::string_view method) {
  if (std::find(methods.begin(), methods.end(), method) == methods.end()) methods.push_back(method);
}

}  // namespace

std::optional<std::string> PercentDecode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    const int high = HexDigit(text[i + 1]);
    const int low = HexDigit(text[i + 2]);
    if (high < 0 || low < 0 || high + low == 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

void Router::Add(std::string method, std::string pattern, Handler handler, RouteOptions options) {
  INFE_CHECK(pattern.starts_with('/'));
  for (const auto& route : routes_) {
    INFE_CHECK(route->method != method || route->pattern != pattern);
  }
  routes_.push_back(std::make_unique<Route>(
      Route{std::move(method), std::move(pattern), std::move(handler), options}));
}

RouteMatch Router::Match(std::string_view method, std::string_view path) const {
  RouteMatch match;
  if (path == "*") {
    match.kind = RouteMatch::Kind::kOptions;
    match.allow = "GET, HEAD, POST, OPTIONS";
    return match;
  }
  if (!path.starts_with('/')) return match;
  const Route* best = nullptr;
  int best_rank = -1;
  std::vector<std::string_view> methods;
  for (const auto& route : routes_) {
    const int rank = MatchPattern(route->pattern, path, nullptr);
    if (rank < 0) continue;
    AddMethod(methods, route->method);
    if (route->method == "GET") AddMethod(methods, "HEAD");
    const bool fits = route->method == method || (method == "HEAD" && route->method == "GET");
    // A HEAD route of its own wins over the GET route of the same rank.
    const bool better = rank > best_rank || (rank == best_rank && route->method == method);
    if (fits && better) {
      best = route.get();
      best_rank = rank;
    }
  }
  if (best != nullptr) {
    match.kind = RouteMatch::Kind::kFound;
    match.route = best;
    MatchPattern(best->pattern, path, &match.params);
    return match;
  }
  if (methods.empty()) return match;
  AddMethod(methods, "OPTIONS");
  for (const std::string_view name : methods) {
    if (!match.allow.empty()) match.allow += ", ";
    match.allow += name;
  }
  match.kind =
      method == "OPTIONS" ? RouteMatch::Kind::kOptions : RouteMatch::Kind::kMethodNotAllowed;
  return match;
}

}  // namespace infe::http

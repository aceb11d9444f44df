#include "server/door/caller.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <arpa/inet.h>
#include <fmt/format.h>

#include "base/random.h"
#include "base/sha256.h"
#include "refusal/duration.h"
#include "server/door/cors.h"
#include "store/utc.h"

namespace infe::server {
namespace {

// What the official clients use when nothing is said; also the longest that a client may ask for.
constexpr double kDeadlineMaxSeconds = 3600;
constexpr size_t kClientRequestIdMax = 512;
constexpr size_t kNetworkBytes = 7;  // a /56

std::optional<double> Number(const std::string_view text) {
  double value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || end != text.data() + text.size() || !(value > 0)) return std::nullopt;
  return value;
}

}  // namespace

std::string Caller::pool_key() const {
  if (key) return "key " + fairness_key();
  in6_addr address{};
  if (inet_pton(AF_INET6, remote_address.c_str(), &address) != 1) return "net " + remote_address;
  return "net " + ToHex({address.s6_addr, kNetworkBytes});
}

Caller ReadCaller(const http::HttpRequest& head) {
  Caller caller;
  uint8_t bytes[16];
  FillRandom(bytes, sizeof bytes);
  caller.request_id = "req_" + ToHex(bytes);
  caller.arrival = head.arrival;
  if (caller.arrival == std::chrono::steady_clock::time_point())  // nothing was read
    caller.arrival = std::chrono::steady_clock::now();
  caller.remote_address = head.remote_address;
  caller.speaks_anthropic = head.headers.Find("anthropic-version") != nullptr;
  const std::string_view given = head.headers.Get("X-Client-Request-Id");
  if (given.size() <= kClientRequestIdMax &&
      std::all_of(given.begin(), given.end(), [](unsigned char c) { return c > 0x20 && c < 0x7F; }))
    caller.client_request_id = given;
  std::optional<double> seconds;
  if (const auto ms = Number(head.headers.Get("x-request-timeout-ms"))) seconds = *ms / 1000;
  // The SDKs send seconds, or "not given".
  else if (const auto s = Number(head.headers.Get("x-stainless-read-timeout")))
    seconds = *s;
  caller.deadline =
      caller.arrival +
      std::chrono::milliseconds(static_cast<int64_t>(
          std::min(seconds.value_or(kDeadlineMaxSeconds), kDeadlineMaxSeconds) * 1000));
  return caller;
}

namespace {

// What clients read as "no limit": it fits 32 bits with a sign wherever they keep it.
constexpr int64_t kUnlimited = 2147483647;

void AddRate(const char* what, const store::RateNumbers& rate, http::Headers& headers) {
  const bool limited = rate.limit > 0;
  headers.Add(fmt::format("x-ratelimit-limit-{}", what),
              fmt::format("{}", limited ? rate.limit : kUnlimited));
  headers.Add(fmt::format("x-ratelimit-remaining-{}", what),
              fmt::format("{}", limited ? std::max<int64_t>(rate.remaining, 0) : kUnlimited));
  headers.Add(fmt::format("x-ratelimit-reset-{}", what),
              refusal::FormatDuration(limited ? rate.reset_ms : 0));
}

void AddOpenAi(const Caller& caller, const std::optional<RateHeaders>& rate,
               http::Headers& headers) {
  const double elapsed =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - caller.arrival)
          .count();
  headers.Add("openai-processing-ms", fmt::format("{}", std::llround(elapsed)));
  headers.Add("openai-version", "2020-10-01");
  headers.Add("openai-organization", "infe");
  if (!rate) return;
  AddRate("requests", rate->requests, headers);
  AddRate("tokens", rate->tokens, headers);
}

// Anthropic says when a limit is whole again, not in how long.
void AddAnthropicRate(const char* what, const store::RateNumbers& rate, http::Headers& headers) {
  if (rate.limit <= 0) return;
  const auto reset = std::chrono::ceil<std::chrono::seconds>(
      std::chrono::system_clock::now() + std::chrono::milliseconds(rate.reset_ms));
  headers.Add(fmt::format("anthropic-ratelimit-{}-limit", what), fmt::format("{}", rate.limit));
  headers.Add(fmt::format("anthropic-ratelimit-{}-remaining", what),
              fmt::format("{}", std::max<int64_t>(rate.remaining, 0)));
  headers.Add(fmt::format("anthropic-ratelimit-{}-reset", what),
              store::Rfc3339(reset.time_since_epoch().count()));
}

void AddAnthropic(const Caller& caller, const std::optional<RateHeaders>& rate,
                  http::Headers& headers) {
  headers.Add("request-id", caller.request_id);
  headers.Add("anthropic-organization-id", "infe");
  if (!rate) return;
  AddAnthropicRate("requests", rate->requests, headers);
  AddAnthropicRate("tokens", rate->tokens, headers);
}

}  // namespace

http::Headers CommonHeaders(const Caller& caller, const std::optional<RateHeaders>& rate,
                            HeaderNames names) {
  http::Headers headers;
  headers.Add("x-request-id", caller.request_id);
  switch (names) {
    case HeaderNames::kOpenAi:
      AddOpenAi(caller, rate, headers);
      break;
    case HeaderNames::kAnthropic:
      AddAnthropic(caller, rate, headers);
      break;
  }
  if (!caller.client_request_id.empty())
    headers.Add("X-Client-Request-Id", caller.client_request_id);
  AddCorsHeaders(caller.cors_origin, headers);
  return headers;
}

}  // namespace infe::server

#include "server/door/access_line.h"

#include <cmath>
#include <ctime>

#include <fmt/format.h>

#include "base/json.h"

namespace infe::server {
namespace {

Json TextOrNull(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}
// Milliseconds with one decimal; null when unknown.
Json Milliseconds(double ms) {
  return ms > 0 ? Json(std::round(ms * 10) / 10) : Json();
}

}  // namespace

std::string Rfc3339(int64_t unix_ms) {
  const std::time_t seconds = unix_ms / 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                     unix_ms % 1000);
}

std::string AccessLine(const http::ExchangeRecord& record, const Caller* caller,
                       const RequestFacts& facts, const std::string& model, int64_t unix_ms) {
  const double total_ms = std::chrono::duration<double, std::milli>(record.duration).count();
  Json line = Json::Object{
      {"ts", Rfc3339(unix_ms)},
      {"remote", std::string(record.remote_address)},
      {"method", TextOrNull(std::string(record.method))},
      {"route", TextOrNull(std::string(record.route))},
      {"status", static_cast<int64_t>(record.client_gone ? kClientGoneStatus : record.status)},
      {"cancelled", record.client_gone},
      {"bytes_in", static_cast<int64_t>(record.request_body_bytes)},
      {"bytes_out", static_cast<int64_t>(record.response_bytes)},
      {"total_ms", Milliseconds(total_ms)}};
  if (caller == nullptr) return line.Dump();
  const auto add = [&line](const char* name, Json value) {
    line.object().emplace_back(name, std::move(value));
  };
  add("request_id", caller->request_id);
  add("client_request_id", TextOrNull(caller->client_request_id));
  add("key_id", caller->key ? Json(caller->key->id) : Json());
  add("project", caller->key ? Json(caller->key->project) : Json());
  add("model", TextOrNull(model));
  add("stream", facts.stream);
  add("code", TextOrNull(facts.error_code));
  add("prompt_tokens", static_cast<int64_t>(facts.prompt_tokens));
  add("cached_tokens", static_cast<int64_t>(facts.cached_tokens));
  add("completion_tokens", static_cast<int64_t>(facts.completion_tokens));
  add("queue_ms", Milliseconds(facts.queue_ms));
  add("ttft_ms", Milliseconds(facts.ttft_ms));
  add("finish_reason", TextOrNull(facts.finish_reason));
  if (!facts.upstream.empty()) add("upstream", facts.upstream);
  return line.Dump();
}

}  // namespace infe::server

#include "api/openai/admin_objects.h"

#include <fmt/format.h>

#include "api/json_text.h"

namespace infe::api {
namespace {

void IntegerOrNull(ObjectText& object, std::string_view key, int64_t value) {
  if (value != 0)
    object.Integer(key, value);
  else
    object.Null(key);
}
void StringOrNull(ObjectText& object, std::string_view key,
                  const std::optional<std::string>& text) {
  if (text)
    object.String(key, *text);
  else
    object.Null(key);
}
void Bool(ObjectText& object, std::string_view key, bool value) {
  object.Key(key) += value ? "true" : "false";
}
int64_t RateOf(int64_t limit) {
  return limit > 0 ? limit : kUnlimitedRate;
}

void AppendStrings(std::string& out, const std::vector<std::string>& strings) {
  out += '[';
  for (size_t i = 0; i < strings.size(); ++i) {
    if (i > 0) out += ',';
    AppendJsonString(out, strings[i]);
  }
  out += ']';
}

void AppendLimits(std::string& out, const KeyObject::Limits& limits) {
  ObjectText object(out);
  object.Integer("requests_per_minute", limits.requests_per_minute);
  object.Integer("tokens_per_minute", limits.tokens_per_minute);
  object.Integer("concurrent_requests", limits.concurrent_requests);
  object.Integer("requests_per_day", limits.requests_per_day);
  object.Integer("tokens_per_day", limits.tokens_per_day);
  object.Integer("tokens_per_month", limits.tokens_per_month);
  object.Close();
}

// The part of a page that all of usage shares; result writes one line of a bucket.
template <typename WriteResult>
std::string WriteBuckets(std::span<const UsageBucket> buckets, int64_t next_page,
                         WriteResult result) {
  std::string out;
  ObjectText page(out);
  page.String("object", "page");
  page.Key("data") += '[';
  for (size_t i = 0; i < buckets.size(); ++i) {
    if (i > 0) out += ',';
    ObjectText bucket(out);
    bucket.String("object", "bucket");
    bucket.Integer("start_time", buckets[i].start);
    bucket.Integer("end_time", buckets[i].end);
    bucket.Key("results") += '[';
    for (size_t j = 0; j < buckets[i].results.size(); ++j) {
      if (j > 0) out += ',';
      ObjectText line(out);
      result(line, buckets[i].results[j]);
      line.Close();
    }
    out += ']';
    bucket.Close();
  }
  out += ']';
  Bool(page, "has_more", next_page != 0);
  if (next_page != 0)
    page.String("next_page", fmt::format("{}", next_page));
  else
    page.Null("next_page");
  page.Close();
  return out;
}

}  // namespace

std::string Write(const ProjectObject& project) {
  std::string out;
  ObjectText object(out);
  object.String("id", project.id);
  object.String("object", "organization.project");
  object.String("name", project.name);
  object.Integer("created_at", project.created_at);
  IntegerOrNull(object, "archived_at", project.archived_at);
  object.String("status", project.archived_at != 0 ? "archived" : "active");
  object.Close();
  return out;
}

std::string WriteProjectKey(const KeyObject& key) {
  std::string out;
  ObjectText object(out);
  object.String("id", key.id);
  object.String("object", "organization.project.api_key");
  object.String("name", key.name);
  object.String("redacted_value", key.redacted_value);
  object.Integer("created_at", key.created_at);
  IntegerOrNull(object, "last_used_at", key.last_used_at);
  IntegerOrNull(object, "expires_at", key.expires_at);
  AppendStrings(object.Key("scopes"), key.scopes);
  AppendLimits(object.Key("limits"), key.limits);
  AppendStrings(object.Key("models"), key.models);
  object.Thousandths("weight", key.weight);
  object.String("owner_project_access", "active");
  object.Key("owner");
  ObjectText owner(out);
  owner.String("type", "service_account");
  owner.Key("service_account");
  ObjectText account(out);
  account.String("id", key.owner_id);
  account.String("name", key.owner_name);
  account.Integer("created_at", key.created_at);
  account.String("role", "member");
  account.Close();
  owner.Close();
  object.Close();
  return out;
}

std::string WriteAdminKey(const KeyObject& key, std::string_view value) {
  std::string out;
  ObjectText object(out);
  object.String("id", key.id);
  object.String("object", "organization.admin_api_key");
  object.String("name", key.name);
  object.String("redacted_value", key.redacted_value);
  object.Integer("created_at", key.created_at);
  IntegerOrNull(object, "last_used_at", key.last_used_at);
  IntegerOrNull(object, "expires_at", key.expires_at);
  AppendStrings(object.Key("scopes"), key.scopes);
  object.Key("owner");
  ObjectText owner(out);
  owner.String("type", "service_account");
  owner.String("object", "organization.service_account");
  owner.String("id", key.owner_id);
  owner.String("name", key.owner_name);
  owner.Integer("created_at", key.created_at);
  owner.String("role", "owner");
  owner.Close();
  if (!value.empty()) object.String("value", value);
  object.Close();
  return out;
}

namespace {

void AppendAccount(ObjectText& object, const ServiceAccountObject& account) {
  object.String("id", account.id);
  object.String("object", "organization.project.service_account");
  object.String("name", account.name);
  object.String("role", "member");
  object.Integer("created_at", account.created_at);
}

}  // namespace

std::string Write(const ServiceAccountObject& account) {
  std::string out;
  ObjectText object(out);
  AppendAccount(object, account);
  object.Close();
  return out;
}

std::string WriteCreated(const ServiceAccountObject& account, const KeyObject& key,
                         std::string_view value) {
  std::string out;
  ObjectText object(out);
  AppendAccount(object, account);
  object.Key("api_key");
  ObjectText made(out);
  made.String("id", key.id);
  made.String("object", "organization.project.service_account.api_key");
  made.String("name", key.name);
  made.Integer("created_at", key.created_at);
  IntegerOrNull(made, "expires_at", key.expires_at);
  made.String("value", value);
  made.Close();
  object.Close();
  return out;
}

std::string RateLimitId(std::string_view model) {
  return fmt::format("rl-{}", model);
}

std::string Write(const RateLimitObject& limit) {
  std::string out;
  ObjectText object(out);
  object.String("id", RateLimitId(limit.model));
  object.String("object", "project.rate_limit");
  object.String("model", limit.model);
  object.Integer("max_requests_per_1_minute", RateOf(limit.requests_per_minute));
  object.Integer("max_tokens_per_1_minute", RateOf(limit.tokens_per_minute));
  object.Integer("max_requests_per_1_day", RateOf(limit.requests_per_day));
  object.Close();
  return out;
}

std::string WriteDeleted(std::string_view id, std::string_view kind) {
  std::string out;
  ObjectText object(out);
  object.String("id", id);
  object.String("object", fmt::format("{}.deleted", kind));
  Bool(object, "deleted", true);
  object.Close();
  return out;
}

std::string Write(const ListPage& page) {
  std::string out;
  ObjectText object(out);
  object.String("object", "list");
  object.Key("data") += '[';
  for (size_t i = 0; i < page.items.size(); ++i) {
    if (i > 0) out += ',';
    out += page.items[i];
  }
  out += ']';
  const bool empty = page.items.empty();
  StringOrNull(object, "first_id", empty ? std::nullopt : std::optional(page.first_id));
  StringOrNull(object, "last_id", empty ? std::nullopt : std::optional(page.last_id));
  Bool(object, "has_more", page.has_more);
  object.Close();
  return out;
}

std::string WriteUsage(std::span<const UsageBucket> buckets, int64_t next_page) {
  return WriteBuckets(buckets, next_page, [](ObjectText& line, const UsageResult& result) {
    line.String("object", "organization.usage.completions.result");
    line.Integer("input_tokens", result.input_tokens);
    line.Integer("output_tokens", result.output_tokens);
    line.Integer("input_cached_tokens", result.cached_tokens);
    line.Integer("input_uncached_tokens", result.input_tokens - result.cached_tokens);
    line.Integer("input_audio_tokens", 0);
    line.Integer("output_audio_tokens", 0);
    line.Integer("num_model_requests", result.requests);
    StringOrNull(line, "project_id", result.project);
    line.Null("user_id");
    StringOrNull(line, "api_key_id", result.key);
    StringOrNull(line, "model", result.model);
    if (result.by_batch)
      Bool(line, "batch", false);
    else
      line.Null("batch");
    StringOrNull(line, "service_tier", result.service_tier);
  });
}

std::string WriteEmbeddingsUsage(std::span<const UsageBucket> buckets, int64_t next_page) {
  return WriteBuckets(buckets, next_page, [](ObjectText& line, const UsageResult& result) {
    line.String("object", "organization.usage.embeddings.result");
    line.Integer("input_tokens", result.input_tokens);
    line.Integer("num_model_requests", result.requests);
    StringOrNull(line, "project_id", result.project);
    line.Null("user_id");
    StringOrNull(line, "api_key_id", result.key);
    StringOrNull(line, "model", result.model);
  });
}

std::string WriteCosts(std::span<const UsageBucket> buckets, int64_t next_page) {
  return WriteBuckets(buckets, next_page, [](ObjectText& line, const UsageResult& result) {
    line.String("object", "organization.costs.result");
    line.Key("amount") += R"({"value":0,"currency":"usd"})";
    line.Null("line_item");
    StringOrNull(line, "project_id", result.project);
    StringOrNull(line, "api_key_id", result.key);
  });
}

std::string Write(const AuditObject& entry) {
  std::string out;
  ObjectText object(out);
  object.String("id", entry.id);
  object.String("type", entry.event);
  object.Integer("effective_at", entry.at);
  if (!entry.project.empty()) {
    object.Key("project");
    ObjectText project(out);
    project.String("id", entry.project);
    project.Close();
  }
  object.Key("actor");
  ObjectText actor(out);
  actor.String("type", "api_key");
  actor.Key("api_key");
  ObjectText key(out);
  key.String("type", "service_account");
  key.String("id", entry.actor);
  key.Close();
  actor.String("ip_address", entry.address);
  actor.Close();
  // OpenAI's events carry their facts under their own name.
  AppendJsonString(out += ',', entry.event);
  out += ':';
  ObjectText facts(out);
  facts.String("id", entry.target);
  const auto detail = ParseJson(entry.detail);
  const bool whole = detail && (detail->find("data") || detail->find("changes_requested") ||
                                detail->find("changes_from"));
  if (whole) {
    for (const auto& [name, value] : detail->object()) facts.Key(name) += value.Dump();
  } else {  // an entry of before these names
    facts.Key(entry.event.ends_with(".created") ? "data" : "changes_requested") += entry.detail;
  }
  facts.Close();
  object.Close();
  return out;
}

}  // namespace infe::api

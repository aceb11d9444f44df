// Answers of the administration API, in the shapes of OpenAI's /v1/organization: projects, their
// keys, service accounts and rate limits, admin keys, usage, costs, the audit log. Times are Unix
// seconds; 0 is written as null where the field may be null.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace infe::api {

struct ProjectObject {
  std::string id, name;
  int64_t created_at = 0, archived_at = 0;
};
std::string Write(const ProjectObject& project);

// A key without its text. An admin key, or one of a project's service accounts.
struct KeyObject {
  std::string id, name, redacted_value, owner_id, owner_name;
  int64_t created_at = 0, last_used_at = 0, expires_at = 0;
  std::vector<std::string> scopes;
  // Extensions, of a project's key: what it was made with. 0: no limit; no models: all.
  struct Limits {
    int64_t requests_per_minute = 0, tokens_per_minute = 0, concurrent_requests = 0,
            requests_per_day = 0, tokens_per_day = 0, tokens_per_month = 0;
  };
  Limits limits = {};
  std::vector<std::string> models = {};
  double weight = 1;
};
std::string WriteProjectKey(const KeyObject& key);
// value: the key's text, shown once when it was made; empty: left out.
std::string WriteAdminKey(const KeyObject& key, std::string_view value = {});

struct ServiceAccountObject {
  std::string id, name;
  int64_t created_at = 0;
};
std::string Write(const ServiceAccountObject& account);
// With its first key, whose text is shown this once.
std::string WriteCreated(const ServiceAccountObject& account, const KeyObject& key,
                         std::string_view value);

struct RateLimitObject {
  std::string model;
  // 0: no limit, written as kUnlimitedRate.
  int64_t requests_per_minute = 0, tokens_per_minute = 0, requests_per_day = 0;
};
// A number, as clients want one, that no key reaches.
inline constexpr int64_t kUnlimitedRate = 1'000'000'000;
std::string RateLimitId(std::string_view model);  // "rl-" + model
std::string Write(const RateLimitObject& limit);

// {"id","object":"<kind>.deleted","deleted":true}
std::string WriteDeleted(std::string_view id, std::string_view kind);

// {"object":"list","data":[...],"first_id","last_id","has_more"}. items: already written.
struct ListPage {
  std::vector<std::string> items;
  std::string first_id, last_id;
  bool has_more = false;
};
std::string Write(const ListPage& page);

struct UsageResult {
  // What is not grouped by is null.
  std::optional<std::string> project, key, model, service_tier;
  bool by_batch = false;
  int64_t requests = 0, input_tokens = 0, cached_tokens = 0, output_tokens = 0;
};
struct UsageBucket {
  int64_t start = 0, end = 0;
  std::vector<UsageResult> results;
};
// next_page: where the next page begins; 0: this is the last.
std::string WriteUsage(std::span<const UsageBucket> buckets, int64_t next_page);
// Of texts that were only read: cached tokens and answers there are none.
std::string WriteEmbeddingsUsage(std::span<const UsageBucket> buckets, int64_t next_page);
// The same buckets as costs. infe has no prices: every amount is 0 USD.
std::string WriteCosts(std::span<const UsageBucket> buckets, int64_t next_page);

struct AuditObject {
  std::string id, event, actor, address, project, target;
  std::string detail;  // a JSON object
  int64_t at = 0;
};
std::string Write(const AuditObject& entry);

}  // namespace infe::api

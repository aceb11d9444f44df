// Bodies and queries of the administration API, in the shapes of OpenAI's /v1/organization.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/parse_options.h"
#include "api/parsed.h"

namespace infe::api {

// How much a key may use; 0: no limit. An extension: OpenAI has limits by project only.
struct KeyLimitFields {
  std::optional<int64_t> requests_per_minute, tokens_per_minute, concurrent_requests,
      requests_per_day, tokens_per_day, tokens_per_month;
};

// Of projects, service accounts, keys: to make one or to change one. What is absent stays.
struct AdminBody {
  std::optional<std::string> name;
  std::optional<int64_t> expires_in_seconds;
  std::optional<std::vector<std::string>> scopes;
  // Extensions, of service accounts and their keys.
  std::optional<std::vector<std::string>> models;
  std::optional<double> weight;
  KeyLimitFields limits;
};
enum class NameIs { kRequired, kOptional };
Parsed<AdminBody> ParseAdminBody(std::string_view body, NameIs name, const ParseOptions& options);

// Of a project, by model. What is absent stays.
struct RateLimitBody {
  std::optional<int64_t> requests_per_minute, tokens_per_minute, requests_per_day;
};
Parsed<RateLimitBody> ParseRateLimitBody(std::string_view body, const ParseOptions& options);

// after, limit, order of a list.
struct ListQuery {
  std::string after;
  size_t limit = 20;
  bool newest_first = false;
  bool include_archived = false;  // projects
};
Parsed<ListQuery> ParseListQuery(std::string_view query);

enum class UsageGroupField { kProject, kUser, kKey, kModel, kBatch, kServiceTier, kApiSource };

// GET /v1/organization/usage/completions and /costs.
struct UsageListQuery {
  int64_t start_time = 0;
  int64_t end_time = 0;  // 0: now
  int64_t bucket_seconds = 86400;
  size_t buckets = 7;
  std::vector<UsageGroupField> group_by;
  std::vector<std::string> projects, keys, models;
  bool batch_only = false;  // there are no batches: nothing matches
};
Parsed<UsageListQuery> ParseUsageQuery(std::string_view query);

struct AuditListQuery {
  std::vector<std::string> events, actors, projects, targets;
  int64_t from = 0, to = 0;  // inclusive, exclusive; 0: open
  std::string after;
  size_t limit = 20;
};
Parsed<AuditListQuery> ParseAuditQuery(std::string_view query);

}  // namespace infe::api

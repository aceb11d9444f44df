// /v1/organization/usage/completions, /costs and /audit_logs.
#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "api/openai/admin_request.h"
#include "server/door/errors.h"
#include "server/handlers/admin.h"
#include "store/audit_log.h"
#include "store/usage_query.h"

namespace infe::server {
namespace {

struct Grouping {
  std::vector<store::UsageGroup> groups;
  bool project = false, key = false, model = false, tier = false, batch = false;
};

Grouping GroupingOf(const std::vector<api::UsageGroupField>& fields) {
  Grouping g;
  for (const api::UsageGroupField field : fields) switch (field) {
      case api::UsageGroupField::kProject:
        g.project = true;
        break;
      case api::UsageGroupField::kKey:
        g.key = true;
        break;
      case api::UsageGroupField::kModel:
        g.model = true;
        break;
      case api::UsageGroupField::kServiceTier:
        g.tier = true;
        break;
      case api::UsageGroupField::kBatch:
        g.batch = true;
        break;
      case api::UsageGroupField::kUser:
      case api::UsageGroupField::kApiSource:
        break;  // one value for everything: null
    }
  if (g.project) g.groups.push_back(store::UsageGroup::kProject);
  if (g.key) g.groups.push_back(store::UsageGroup::kKey);
  if (g.model) g.groups.push_back(store::UsageGroup::kModel);
  if (g.tier) g.groups.push_back(store::UsageGroup::kServiceTier);
  return g;
}

api::UsageResult ToWire(const store::UsageSum& sum, const Grouping& grouping) {
  api::UsageResult result;
  if (grouping.project) result.project = sum.project;
  if (grouping.key) result.key = sum.key_id;
  if (grouping.model) result.model = sum.model;
  if (grouping.tier) result.service_tier = sum.service_tier;
  result.by_batch = grouping.batch;
  result.requests = sum.requests;
  result.input_tokens = sum.prompt_tokens;
  result.cached_tokens = sum.cached_tokens;
  result.output_tokens = sum.completion_tokens;
  return result;
}

struct UsageTimes {
  int64_t first = 0;      // start of the first bucket
  int64_t end = 0;        // exclusive: of the page
  int64_t next_page = 0;  // 0: none
};

// Buckets begin at multiples of their width, empty ones are listed too, as OpenAI does.
UsageTimes TimesOf(const api::UsageListQuery& query, int64_t now) {
  const int64_t width = query.bucket_seconds;
  UsageTimes times;
  times.first = query.start_time / width * width;
  const int64_t end = query.end_time > 0 ? query.end_time : now + 1;
  const int64_t page_end = times.first + width * static_cast<int64_t>(query.buckets);
  times.end = std::max(std::min(end, page_end), query.start_time);
  if (page_end < end) times.next_page = page_end;
  return times;
}

using WriteBuckets = std::string (*)(std::span<const api::UsageBucket>, int64_t);

// The endpoints whose requests are only read, as the ledger calls them.
std::vector<std::string> ReadingEndpoints(const Services& services) {
  std::vector<std::string> patterns;
  for (const Endpoint& row : services.endpoints)
    if (row.api_scope == store::KeyScope::kEmbeddings) patterns.emplace_back(row.pattern);
  return patterns;
}

// ask: which endpoints are looked at; what the query says of the rest is added.
api::Parsed<std::string> UsageAnswer(const AdminCall& call, store::UsageQuery ask,
                                     WriteBuckets write) {
  auto query = api::ParseUsageQuery(call.http.query);
  if (!query) return std::move(query).error();
  const UsageTimes times = TimesOf(*query, call.now);
  const Grouping grouping = GroupingOf(query->group_by);
  ask.from = query->start_time;
  ask.to = times.end;
  ask.width = static_cast<store::BucketWidth>(query->bucket_seconds);
  ask.group_by = grouping.groups;
  ask.projects = query->projects;
  if (call.caller.key->kind == store::KeyKind::kApi) {
    const std::string& own = call.caller.key->project;
    for (const std::string& project : query->projects)
      if (project != own) return api::InsufficientPermissions("admin.usage");
    ask.projects = {own};
  }
  ask.keys = query->keys;
  ask.models = query->models;
  std::vector<store::UsageSum> sums;
  if (!query->batch_only && ask.from < ask.to) {
    auto page = call.services.usage.Sums(ask);
    if (!page) return ToRefusal(page.error());
    sums = std::move(page->sums);
  }
  std::vector<api::UsageBucket> buckets;
  size_t next = 0;
  for (int64_t start = times.first; start < times.end; start += query->bucket_seconds) {
    api::UsageBucket& bucket = buckets.emplace_back();
    bucket.start = start;
    bucket.end = start + query->bucket_seconds;
    for (; next < sums.size() && sums[next].bucket_start < bucket.end; ++next)
      bucket.results.push_back(ToWire(sums[next], grouping));
  }
  return write(buckets, times.next_page);
}

constexpr std::string_view kAuditPrefix = "audit_log-";

}  // namespace

api::Parsed<std::string> ListUsage(const AdminCall& call) {
  store::UsageQuery ask;
  ask.other_endpoints = ReadingEndpoints(call.services);
  return UsageAnswer(call, std::move(ask), api::WriteUsage);
}

api::Parsed<std::string> ListEmbeddingsUsage(const AdminCall& call) {
  store::UsageQuery ask;
  ask.endpoints = ReadingEndpoints(call.services);
  return UsageAnswer(call, std::move(ask), api::WriteEmbeddingsUsage);
}

api::Parsed<std::string> ListCosts(const AdminCall& call) {
  return UsageAnswer(call, {}, api::WriteCosts);
}

api::Parsed<std::string> ListAudit(const AdminCall& call) {
  auto query = api::ParseAuditQuery(call.http.query);
  if (!query) return std::move(query).error();
  store::AuditQuery ask;
  ask.events = query->events;
  ask.actors = query->actors;
  ask.projects = query->projects;
  if (call.caller.key->kind == store::KeyKind::kApi) {
    const std::string& own = call.caller.key->project;
    for (const std::string& project : query->projects)
      if (project != own) return api::InsufficientPermissions("admin.usage");
    ask.projects = {own};
  }
  ask.targets = query->targets;
  ask.from = query->from;
  ask.to = query->to;
  ask.limit = query->limit + 1;  // one more tells whether there is more
  if (!query->after.empty()) {
    const std::string_view text = query->after;
    const std::string_view number = text.substr(std::min(kAuditPrefix.size(), text.size()));
    const auto [end, ec] =
        std::from_chars(number.data(), number.data() + number.size(), ask.before);
    if (!text.starts_with(kAuditPrefix) || ec != std::errc() ||
        end != number.data() + number.size())
      return api::InvalidValue("after", "There is no such entry.");
  }
  auto entries = call.services.audit.List(ask);
  if (!entries) return ToRefusal(entries.error());
  std::vector<api::AuditObject> objects;
  for (const store::AuditEntry& e : *entries)
    objects.push_back({fmt::format("{}{}", kAuditPrefix, e.number), e.event, e.actor, e.address,
                       e.project, e.target, e.detail, e.at});
  return api::Write(PageOf(objects, "", query->limit,
                           [](const api::AuditObject& object) { return api::Write(object); }));
}

}  // namespace infe::server

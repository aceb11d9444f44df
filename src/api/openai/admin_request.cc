#include "api/openai/admin_request.h"

#include <algorithm>

#include <fmt/format.h>

#include "api/fields.h"
#include "api/query_string.h"
#include "api/request_body.h"

namespace infe::api {
namespace {

constexpr size_t kAdminNameMax = 200;
constexpr size_t kListMax = 100;
// A hundred years: past that an expiry is a mistake.
constexpr int64_t kExpiryMax = int64_t{100} * 366 * 86400;
constexpr int64_t kLimitMax = 1'000'000'000'000;

std::optional<std::vector<std::string>> Strings(Fields& fields, std::string_view name) {
  const Json* array = fields.TakeArray(name);
  if (array == nullptr) return std::nullopt;
  const std::string path = fields.Path(name);
  if (array->array().size() > kListMax)
    fields.context().Fail(ArrayTooLong(path, kListMax, array->array().size()));
  std::vector<std::string> values;
  for (size_t i = 0; i < array->array().size() && !fields.context().failed(); ++i)
    if (auto text = ReadString(array->array()[i], Indexed(path, i), fields.context()))
      values.push_back(std::move(*text));
  return values;
}

KeyLimitFields ParseKeyLimits(Fields& body) {
  KeyLimitFields limits;
  const Json* object = body.TakeObject("limits");
  if (object == nullptr) return limits;
  Fields fields(*object, body.Path("limits"), body.context());
  constexpr IntegerRange kRange{0, kLimitMax};
  limits.requests_per_minute = fields.Integer("requests_per_minute", kRange);
  limits.tokens_per_minute = fields.Integer("tokens_per_minute", kRange);
  limits.concurrent_requests = fields.Integer("concurrent_requests", kRange);
  limits.requests_per_day = fields.Integer("requests_per_day", kRange);
  limits.tokens_per_day = fields.Integer("tokens_per_day", kRange);
  limits.tokens_per_month = fields.Integer("tokens_per_month", kRange);
  fields.Finish();
  return limits;
}

// Administration is strict about what it is told: a misspelt limit must not be no limit.
ParseOptions Strict(ParseOptions options) {
  options.strict_params = true;
  return options;
}

// The value of a query's field, or the first error.
template <typename T>
T Take(Parsed<std::optional<T>> value, T otherwise, std::optional<ApiError>& error) {
  if (!value) {
    if (!error) error = std::move(value).error();
    return otherwise;
  }
  return (*value).value_or(otherwise);
}

}  // namespace

Parsed<AdminBody> ParseAdminBody(std::string_view body, NameIs name, const ParseOptions& given) {
  const ParseOptions options = Strict(given);
  auto json = ParseBody(body.empty() ? "{}" : body, options);
  if (!json) return std::move(json).error();
  ParseContext context(options);
  Fields fields(*json, "", context);
  AdminBody parsed;
  parsed.name = fields.String("name", kAdminNameMax);
  if (name == NameIs::kRequired && !parsed.name) context.Fail(MissingParameter("name"));
  if (parsed.name && parsed.name->empty()) context.Fail(EmptyString("name"));
  parsed.expires_in_seconds = fields.Integer("expires_in_seconds", {1, kExpiryMax});
  parsed.scopes = Strings(fields, "scopes");
  parsed.models = Strings(fields, "models");
  parsed.weight = fields.Decimal("weight", {0.001, 1000});
  parsed.limits = ParseKeyLimits(fields);
  if (fields.Bool("create_service_account_only").value_or(false))
    context.Fail(UnsupportedValue("create_service_account_only", "true",
                                  "false: a service account begins with its first key"));
  for (const char* other : {"external_key_id", "geography", "residency", "role"})
    fields.Refuse(other);
  fields.Finish();
  if (context.failed()) return context.TakeError();
  return parsed;
}

Parsed<RateLimitBody> ParseRateLimitBody(std::string_view body, const ParseOptions& given) {
  const ParseOptions options = Strict(given);
  auto json = ParseBody(body, options);
  if (!json) return std::move(json).error();
  ParseContext context(options);
  Fields fields(*json, "", context);
  constexpr IntegerRange kRange{1, kLimitMax};
  RateLimitBody parsed;
  parsed.requests_per_minute = fields.Integer("max_requests_per_1_minute", kRange);
  parsed.tokens_per_minute = fields.Integer("max_tokens_per_1_minute", kRange);
  parsed.requests_per_day = fields.Integer("max_requests_per_1_day", kRange);
  for (const char* other : {"batch_1_day_max_input_tokens", "max_audio_megabytes_per_1_minute",
                            "max_images_per_1_minute"})
    fields.Refuse(other);
  fields.Finish();
  if (context.failed()) return context.TakeError();
  return parsed;
}

Parsed<ListQuery> ParseListQuery(std::string_view text) {
  auto query = QueryString::Parse(text);
  if (!query) return std::move(query).error();
  std::optional<ApiError> error;
  ListQuery parsed;
  parsed.after = query->Find("after").value_or("");
  parsed.limit = static_cast<size_t>(
      Take<int64_t>(query->Integer("limit", {1, static_cast<int64_t>(kListMax)}), 20, error));
  parsed.include_archived = Take(query->Bool("include_archived"), false, error);
  const std::string order = query->Find("order").value_or("asc");
  constexpr std::array<std::string_view, 2> kOrders = {"asc", "desc"};
  if (std::find(kOrders.begin(), kOrders.end(), order) == kOrders.end())
    return InvalidEnum("order", order, kOrders);
  parsed.newest_first = order == "desc";
  if (error) return *std::move(error);
  return parsed;
}

namespace {

struct WidthName {
  std::string_view name;
  int64_t seconds, buckets, buckets_max;
};
constexpr std::array<WidthName, 3> kWidths = {
    {{"1m", 60, 60, 1440}, {"1h", 3600, 24, 168}, {"1d", 86400, 7, 31}}};
constexpr std::array<EnumName<UsageGroupField>, 7> kGroups = {
    {{"project_id", UsageGroupField::kProject},
     {"user_id", UsageGroupField::kUser},
     {"api_key_id", UsageGroupField::kKey},
     {"model", UsageGroupField::kModel},
     {"batch", UsageGroupField::kBatch},
     {"service_tier", UsageGroupField::kServiceTier},
     {"api_source", UsageGroupField::kApiSource}}};

Parsed<UsageGroupField> ParseGroup(const std::string& text) {
  std::array<std::string_view, kGroups.size()> names;
  for (size_t i = 0; i < kGroups.size(); ++i) {
    if (kGroups[i].name == text) return kGroups[i].value;
    names[i] = kGroups[i].name;
  }
  return InvalidEnum("group_by", text, names);
}

}  // namespace

Parsed<UsageListQuery> ParseUsageQuery(std::string_view text) {
  auto query = QueryString::Parse(text);
  if (!query) return std::move(query).error();
  std::optional<ApiError> error;
  constexpr IntegerRange kTime{0, int64_t{1} << 40};
  UsageListQuery parsed;
  const int64_t start = Take<int64_t>(query->Integer("start_time", kTime), -1, error);
  if (!error && start < 0) return MissingParameter("start_time");
  parsed.end_time = Take<int64_t>(query->Integer("end_time", kTime), 0, error);
  const std::string width_name = query->Find("bucket_width").value_or("1d");
  const auto width = std::find_if(kWidths.begin(), kWidths.end(),
                                  [&](const WidthName& w) { return w.name == width_name; });
  if (width == kWidths.end())
    return InvalidEnum("bucket_width", width_name,
                       std::array<std::string_view, 3>{"1m", "1h", "1d"});
  parsed.bucket_seconds = width->seconds;
  parsed.buckets = static_cast<size_t>(
      Take(query->Integer("limit", {1, width->buckets_max}), width->buckets, error));
  // A page begins where the last one ended.
  parsed.start_time = std::max(start, Take<int64_t>(query->Integer("page", kTime), 0, error));
  for (const std::string& name : query->List("group_by")) {
    auto group = ParseGroup(name);
    if (!group) return std::move(group).error();
    parsed.group_by.push_back(*group);
  }
  parsed.projects = query->List("project_ids");
  parsed.keys = query->List("api_key_ids");
  parsed.models = query->List("models");
  parsed.batch_only = Take(query->Bool("batch"), false, error);
  if (!query->List("user_ids").empty())
    return UnsupportedParameter("user_ids", "Usage is counted by project and key.");
  if (error) return *std::move(error);
  return parsed;
}

Parsed<AuditListQuery> ParseAuditQuery(std::string_view text) {
  auto query = QueryString::Parse(text);
  if (!query) return std::move(query).error();
  std::optional<ApiError> error;
  constexpr IntegerRange kTime{0, int64_t{1} << 40};
  AuditListQuery parsed;
  parsed.events = query->List("event_types");
  parsed.actors = query->List("actor_ids");
  parsed.projects = query->List("project_ids");
  parsed.targets = query->List("resource_ids");
  const int64_t after = Take<int64_t>(query->Integer("effective_at[gt]", kTime), -1, error);
  const int64_t until = Take<int64_t>(query->Integer("effective_at[lte]", kTime), -1, error);
  parsed.from =
      std::max(Take<int64_t>(query->Integer("effective_at[gte]", kTime), 0, error), after + 1);
  parsed.to = Take<int64_t>(query->Integer("effective_at[lt]", kTime), 0, error);
  if (until >= 0) parsed.to = parsed.to == 0 ? until + 1 : std::min(parsed.to, until + 1);
  parsed.after = query->Find("after").value_or("");
  parsed.limit = static_cast<size_t>(
      Take<int64_t>(query->Integer("limit", {1, static_cast<int64_t>(kListMax)}), 20, error));
  for (const char* other : {"before", "actor_emails"})
    if (!query->List(other).empty()) return UnsupportedParameter(other);
  if (error) return *std::move(error);
  return parsed;
}

}  // namespace infe::api

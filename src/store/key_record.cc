#include "store/key_record.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>

namespace infe::store {
namespace {

constexpr std::array<std::pair<std::string_view, KeyScope>, 10> kScopes = {{
    {"chat", KeyScope::kChat},
    {"responses", KeyScope::kResponses},
    {"messages", KeyScope::kMessages},
    {"embeddings", KeyScope::kEmbeddings},
    {"storage", KeyScope::kStorage},
    {"models.read", KeyScope::kModelsRead},
    {"usage.read", KeyScope::kUsageRead},
    {"admin.keys", KeyScope::kAdminKeys},
    {"admin.usage", KeyScope::kAdminUsage},
    {"admin.server", KeyScope::kAdminServer},
}};

// Of names of keys and projects, in bytes: they appear in lists, logs and URLs.
constexpr size_t kNameBytesMax = 128;
constexpr size_t kModelsMax = 64;
// Far above any machine, far below where sums could overflow (limits.cc).
constexpr int64_t kLimitMax = 1'000'000'000'000;
constexpr int64_t kRateMax = 1'000'000'000;

Result<void> CheckName(const char* what, const std::string& name) {
  if (name.empty() || name.size() > kNameBytesMax)
    return InvalidArgument(fmt::format("the {} must have 1 to {} bytes", what, kNameBytesMax),
                           what);
  for (const char c : name)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
      return InvalidArgument(fmt::format("the {} holds a control character", what), what);
  return {};
}

Result<void> CheckLimits(const KeyLimits& limits) {
  const std::array<std::tuple<const char*, int64_t, int64_t>, 6> numbers = {{
      {"requests_per_minute", limits.requests_per_minute, kRateMax},
      {"tokens_per_minute", limits.tokens_per_minute, kRateMax},
      {"concurrent_requests", limits.concurrent_requests, kRateMax},
      {"requests_per_day", limits.requests_per_day, kLimitMax},
      {"tokens_per_day", limits.tokens_per_day, kLimitMax},
      {"tokens_per_month", limits.tokens_per_month, kLimitMax},
  }};
  for (const auto& [name, value, most] : numbers)
    if (value < 0 || value > most)
      return InvalidArgument(fmt::format("{} must be 0 (no limit) to {}", name, most), name);
  return {};
}

}  // namespace

Result<KeyScopes> ParseScope(std::string_view text) {
  if (text == "admin.*") return kAdminScopes;
  for (const auto& [name, scope] : kScopes)
    if (name == text) return Bit(scope);
  std::string names;
  for (const auto& [name, scope] : kScopes) names += fmt::format("{}, ", name);
  return InvalidArgument(
      fmt::format("there is no scope \"{}\"; the scopes are {}admin.*", text, names), "scopes");
}

std::vector<std::string> ScopeNames(KeyScopes scopes) {
  std::vector<std::string> names;
  for (const auto& [name, scope] : kScopes)
    if ((scopes & Bit(scope)) != 0) names.emplace_back(name);
  return names;
}

bool KeyRecord::MayUseModel(std::string_view model) const {
  return models.empty() || std::find(models.begin(), models.end(), model) != models.end();
}

Result<void> Validate(const KeyPolicy& policy, KeyKind kind) {
  INFE_TRY(CheckName("name", policy.name));
  INFE_TRY(CheckName("project", policy.project));
  if (policy.models.size() > kModelsMax)
    return InvalidArgument(fmt::format("a key may list at most {} models", kModelsMax), "models");
  for (const std::string& model : policy.models) INFE_TRY(CheckName("model", model));
  if (!(policy.weight > 0 && policy.weight <= 1000))
    return InvalidArgument("the weight must be above 0 and at most 1000", "weight");
  if (policy.expires_at < 0) return InvalidArgument("expires_at is before 1970", "expires_at");
  const KeyScopes other = kind == KeyKind::kApi ? kAdminScopes : kApiScopes;
  if ((policy.scopes & other) != 0)
    return InvalidArgument(
        fmt::format("{} key cannot have the scope {}: admin keys (--admin) have admin.* scopes "
                    "only, API keys have the others",
                    kind == KeyKind::kApi ? "an API" : "an admin",
                    ScopeNames(policy.scopes & other).front()),
        "scopes");
  if (policy.scopes == 0) return InvalidArgument("a key needs at least one scope", "scopes");
  return CheckLimits(policy.limits);
}

}  // namespace infe::store

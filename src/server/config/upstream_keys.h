// The settings of one [[upstream]] table of infe.toml, a row each, as config_keys.h has the others.
// All of them may change at a reload.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "server/config/config.h"
#include "server/config/config_keys.h"

namespace infe::server {

struct UpstreamKey {
  const char* name;
  const char* help;
  // InvalidArgument names the key and what it must be.
  std::function<Result<void>(const ConfigValue& value, UpstreamConfig& to)> set = {};
  std::function<ConfigValue(const UpstreamConfig& from)> get = {};
};

std::span<const UpstreamKey> UpstreamKeys();
Result<void> SetUpstreamKey(std::string_view name, const ConfigValue& value, UpstreamConfig& to);
// As [[upstream]] tables; what has its default is left out.
std::string UpstreamsAsToml(const std::vector<UpstreamConfig>& upstreams);
// A table for docs/gateway.md.
std::string UpstreamKeysAsMarkdown();

// An entry of UpstreamConfig::models.
struct UpstreamName {
  std::string ours, theirs;
};
UpstreamName ToUpstreamName(std::string_view entry);
// What one of them, or all together, cannot be.
Result<void> ValidateUpstreams(const std::vector<UpstreamConfig>& upstreams);

}  // namespace infe::server

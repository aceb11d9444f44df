#include "server/config/config.h"

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "base/check.h"
#include "http/address_set.h"
#include "server/config/config_keys.h"
#include "server/config/upstream_keys.h"
#include "server/door/cors.h"
#include "store/database.h"

namespace infe::server {
namespace {

// Nothing for what no setting can be: a table, a date, a list of anything but strings.
std::optional<ConfigValue> ValueOf(const toml::node& node) {
  if (const auto text = node.value_exact<std::string>()) return *text;
  if (const auto count = node.value_exact<int64_t>()) return *count;
  if (const auto number = node.value_exact<double>()) return *number;
  if (const auto on = node.value_exact<bool>()) return *on;
  const toml::array* array = node.as_array();
  if (array == nullptr) return std::nullopt;
  std::vector<std::string> list;
  for (const auto& item : *array) {
    const auto text = item.value_exact<std::string>();
    if (!text) return std::nullopt;
    list.push_back(*text);
  }
  return list;
}

// What fits no key, so that its reader says what it must be.
ConfigValue Unfit(const ConfigKey& key) {
  const bool is_list = std::holds_alternative<std::vector<std::string>>(key.get(ServerConfig()));
  return is_list ? ConfigValue(false) : ConfigValue(std::vector<std::string>());
}

// One [[upstream]] after the other.
Result<void> ReadUpstreams(const toml::node& node, ServerConfig& config) {
  const toml::array* tables = node.as_array();
  if (tables == nullptr || !tables->is_homogeneous<toml::table>())
    return InvalidArgument("upstream must be tables: [[upstream]]");
  for (const auto& entry : *tables) {
    UpstreamConfig& upstream = config.upstreams.emplace_back();
    for (const auto& [name, value] : *entry.as_table()) {
      const std::optional<ConfigValue> given = ValueOf(value);
      // What is no setting's value is none of this one's, either: a number is no text, a text no
      // number, and neither is a list.
      auto set = given ? SetUpstreamKey(name.str(), *given, upstream)
                       : Result<void>(InvalidArgument(fmt::format(
                             "{} cannot be a table, a date or a mixed list", name.str())));
      if (!set)
        return InvalidArgument(fmt::format(
            "line {}: {}", static_cast<int>(value.source().begin.line), set.error().message));
    }
  }
  return {};
}

Result<void> ReadKey(std::string_view name, const toml::node& node, ServerConfig& config) {
  if (name == "upstream") return ReadUpstreams(node, config);
  for (const ConfigKey& key : ConfigKeys()) {
    if (!key.in_file || name != key.name) continue;
    const std::optional<ConfigValue> value = ValueOf(node);
    return key.set(value ? *value : Unfit(key), config);
  }
  const ConfigKey* meant = NearestKey(name);
  return InvalidArgument(
      fmt::format("unknown key {}{}", name,
                  meant == nullptr ? "" : fmt::format("; did you mean {}?", meant->name)));
}

Result<void> ValidateProxies(const std::vector<std::string>& proxies) {
  const auto set = http::AddressSet::Parse(proxies);
  if (!set) return InvalidArgument("trusted_proxies: " + set.error().message);
  return {};
}

}  // namespace

Result<void> ApplyToml(std::string_view text, std::string_view origin, ServerConfig& config) {
  toml::table root;
  try {
    root = toml::parse(text, origin);
  } catch (const toml::parse_error& e) {
    return InvalidArgument(
        fmt::format("{}:{}: {}", origin, static_cast<int>(e.source().begin.line), e.description()));
  }
  for (const auto& [name, node] : root)
    if (auto read = ReadKey(name.str(), node, config); !read)
      return InvalidArgument(fmt::format(
          "{}:{}: {}", origin, static_cast<int>(node.source().begin.line), read.error().message));
  return {};
}

std::string ToToml(const ServerConfig& config) {
  std::string text;
  for (const ConfigKey& key : ConfigKeys())
    if (key.in_file) text += fmt::format("{} = {}\n", key.name, WriteValue(key, config));
  return text + UpstreamsAsToml(config.upstreams);
}

ServerConfig TakeLive(const ServerConfig& now, const ServerConfig& wanted) {
  ServerConfig merged = now;
  for (const ConfigKey& key : ConfigKeys())
    if (key.live) INFE_CHECK(key.set(key.get(wanted), merged).has_value());
  merged.upstreams = wanted.upstreams;
  return merged;
}

std::vector<std::string> NeedRestart(const ServerConfig& now, const ServerConfig& wanted) {
  std::vector<std::string> names;
  for (const ConfigKey& key : ConfigKeys())
    if (key.in_file && !key.live && key.get(now) != key.get(wanted)) names.emplace_back(key.name);
  return names;
}

std::string DefaultConfigPath() {
  std::vector<std::string> candidates;
  if (const char* xdg = std::getenv("XDG_CONFIG_HOME"); xdg != nullptr && *xdg != 0)
    candidates.push_back(std::string(xdg) + "/infe/infe.toml");
  else if (const char* home = std::getenv("HOME"); home != nullptr && *home != 0)
    candidates.push_back(std::string(home) + "/.config/infe/infe.toml");
  candidates.push_back("/etc/infe/infe.toml");
  std::error_code ec;
  for (const std::string& path : candidates)
    if (std::filesystem::exists(path, ec)) return path;
  return {};
}

Result<void> Validate(const ServerConfig& c) {
  if (c.port > 65535 || c.ops_port > 65535) return InvalidArgument("ports go up to 65535");
  if (c.max_batch < 1 || c.max_batch > 256) return InvalidArgument("max_batch must be 1 to 256");
  if (c.threads > 1024) return InvalidArgument("threads must be at most 1024");
  // Each stop text is looked for in every piece of text, each tool's schema is compiled.
  if (c.stop_max < 1 || c.stop_max > 64) return InvalidArgument("stop_max must be 1 to 64");
  if (c.tools_max < 1 || c.tools_max > 1024) return InvalidArgument("tools_max must be 1 to 1024");
  if (c.n_max < 1 || c.n_max > 128) return InvalidArgument("n_max must be 1 to 128");
  if (c.tls_certificate.empty() != c.tls_key.empty())
    return InvalidArgument("tls_certificate and tls_key come together");
  if (c.ops_tls_certificate.empty() != c.ops_tls_key.empty())
    return InvalidArgument("ops_tls_certificate and ops_tls_key come together");
  if (c.step_budget_ms < 1) return InvalidArgument("step_budget_ms must be at least 1");
  if (c.drain_timeout_s < 0 || c.drain_grace_s < 0)
    return InvalidArgument("drain times cannot be negative");
  if (c.queue_wait_s < 0) return InvalidArgument("queue_wait_s cannot be negative");
  for (const std::string& origin : c.cors_origins) INFE_TRY(ValidateOrigin(origin));
  INFE_TRY(ValidateProxies(c.trusted_proxies));
  INFE_TRY(store::IsPostgresUrl(c.store_url));
  INFE_TRY(ValidateUpstreams(c.upstreams));
  if (c.upstream_retries > 16) return InvalidArgument("upstream_retries must be at most 16");
  if (!c.local_models && c.upstreams.empty())
    return InvalidArgument("without local_models there must be an [[upstream]]");
  if (c.kv_memory_bytes < (uint64_t{16} << 20))
    return InvalidArgument("kv_memory must be at least 16MiB");
  if (c.prefix_cache_disk_bytes > 0 && !c.prefix_cache)
    return InvalidArgument("prefix_cache_disk keeps the prefix cache, and prefix_cache is off");
  return {};
}

Result<uint64_t> ParseBytes(std::string_view text) {
  uint64_t value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  uint64_t factor = 0;
  if (unit.empty() || unit == "B") factor = 1;
  if (unit == "KiB") factor = uint64_t{1} << 10;
  if (unit == "MiB") factor = uint64_t{1} << 20;
  if (unit == "GiB") factor = uint64_t{1} << 30;
  if (unit == "kB" || unit == "KB") factor = 1000;
  if (unit == "MB") factor = 1000 * 1000;
  if (unit == "GB") factor = 1000 * 1000 * 1000;
  uint64_t bytes = 0;
  if (ec != std::errc() || factor == 0 || __builtin_mul_overflow(value, factor, &bytes))
    return InvalidArgument(
        fmt::format("\"{}\" is not a size; write 1GiB, 512MiB, 800MB or a number of bytes", text));
  return bytes;
}

std::string FormatBytes(uint64_t bytes) {
  static constexpr std::pair<uint64_t, const char*> kUnits[] = {
      {uint64_t{1} << 30, "GiB"}, {1000 * 1000 * 1000, "GB"}, {1 << 20, "MiB"},
      {1000 * 1000, "MB"},        {1 << 10, "KiB"},           {1000, "kB"}};
  for (const auto& [factor, unit] : kUnits)
    if (bytes > 0 && bytes % factor == 0) return fmt::format("{}{}", bytes / factor, unit);
  return fmt::format("{}", bytes);
}

}  // namespace infe::server

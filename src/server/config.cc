#include "server/config.h"

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <vector>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "server/door/cors.h"
#include "store/database.h"
#include "store/usage_ledger.h"

namespace infe::server {
namespace {

// One configuration key: how it is read and written. The table below is the only place that knows
// the names in the file.
struct Key {
  const char* name;
  std::function<bool(const toml::node&, ServerConfig&)> read;  // false: wrong type
  std::function<std::string(const ServerConfig&)> write;
  std::function<void(const ServerConfig& from, ServerConfig& to)> copy;
  const char* type;
  bool is_live = false;  // a reload takes a new value over
};

template <typename T>
std::function<void(const ServerConfig&, ServerConfig&)> CopyOf(T ServerConfig::* member) {
  return [member](const ServerConfig& from, ServerConfig& to) { to.*member = from.*member; };
}

Key Live(Key key) {
  key.is_live = true;
  return key;
}

Key StringKey(const char* name, std::string ServerConfig::* member) {
  return {name,
          [member](const toml::node& node, ServerConfig& config) {
            const auto value = node.value<std::string>();
            if (value) config.*member = *value;
            return value.has_value();
          },
          [member](const ServerConfig& config) { return fmt::format("\"{}\"", config.*member); },
          CopyOf(member), "a string"};
}
Key CountKey(const char* name, uint32_t ServerConfig::* member) {
  return {name,
          [member](const toml::node& node, ServerConfig& config) {
            const auto value = node.value_exact<int64_t>();
            if (!value || *value < 0 || *value > 0xFFFFFFFFLL) return false;
            config.*member = static_cast<uint32_t>(*value);
            return true;
          },
          [member](const ServerConfig& config) { return fmt::format("{}", config.*member); },
          CopyOf(member), "an integer from 0"};
}
Key NumberKey(const char* name, double ServerConfig::* member) {
  return {name,
          [member](const toml::node& node, ServerConfig& config) {
            const auto value = node.value<double>();
            if (value) config.*member = *value;
            return value.has_value();
          },
          [member](const ServerConfig& config) { return fmt::format("{}", config.*member); },
          CopyOf(member), "a number"};
}
Key SwitchKey(const char* name, bool ServerConfig::* member) {
  return {name,
          [member](const toml::node& node, ServerConfig& config) {
            const auto value = node.value_exact<bool>();
            if (value) config.*member = *value;
            return value.has_value();
          },
          [member](const ServerConfig& config) {
            return std::string(config.*member ? "true" : "false");
          },
          CopyOf(member), "true or false"};
}
Key ListKey(const char* name, std::vector<std::string> ServerConfig::* member) {
  return {name,
          [member](const toml::node& node, ServerConfig& config) {
            const toml::array* array = node.as_array();
            if (array == nullptr) return false;
            std::vector<std::string> values;
            for (const auto& item : *array) {
              const auto value = item.value<std::string>();
              if (!value) return false;
              values.push_back(*value);
            }
            config.*member = std::move(values);
            return true;
          },
          [member](const ServerConfig& config) {
            std::string text = "[";
            for (const std::string& value : config.*member)
              text += fmt::format("{}\"{}\"", text.size() > 1 ? ", " : "", value);
            return text + "]";
          },
          CopyOf(member), "a list of strings"};
}

// A URL whose password is not shown. (A changed password alone is then no visible change.)
Key Masked(Key key, std::string ServerConfig::* member) {
  key.write = [member](const ServerConfig& config) {
    return fmt::format("\"{}\"", store::MaskStoreUrl(config.*member));
  };
  return key;
}

const std::vector<Key>& Keys() {
  using C = ServerConfig;
  static const std::vector<Key> keys = {
      StringKey("host", &C::host),
      CountKey("port", &C::port),
      StringKey("ops_host", &C::ops_host),
      CountKey("ops_port", &C::ops_port),
      StringKey("data_dir", &C::data_dir),
      CountKey("threads", &C::threads),
      SwitchKey("pin_threads", &C::pin_threads),
      Live(ListKey("models", &C::models)),
      CountKey("max_batch", &C::max_batch),
      CountKey("context", &C::context),
      StringKey("kv_memory", &C::kv_memory),
      StringKey("kv_type", &C::kv_type),
      CountKey("queue_requests", &C::queue_requests),
      CountKey("queue_tokens", &C::queue_tokens),
      NumberKey("queue_wait_s", &C::queue_wait_s),
      NumberKey("step_budget_ms", &C::step_budget_ms),
      SwitchKey("prefix_cache", &C::prefix_cache),
      StringKey("prefix_cache_disk", &C::prefix_cache_disk),
      SwitchKey("speculation", &C::speculation),
      SwitchKey("packed_cache", &C::packed_cache),
      StringKey("tls_certificate", &C::tls_certificate),
      StringKey("tls_key", &C::tls_key),
      StringKey("ops_tls_certificate", &C::ops_tls_certificate),
      StringKey("ops_tls_key", &C::ops_tls_key),
      Live(ListKey("cors_origins", &C::cors_origins)),
      Live(ListKey("allowed_hosts", &C::allowed_hosts)),
      SwitchKey("insecure", &C::insecure),
      Live(StringKey("require_keys", &C::require_keys)),
      Live(CountKey("n_max", &C::n_max)),
      StringKey("sampling_defaults", &C::sampling_defaults),
      Live(SwitchKey("strict_params", &C::strict_params)),
      Live(SwitchKey("json_word_check", &C::json_word_check)),
      Live(StringKey("strict_schema", &C::strict_schema)),
      Live(StringKey("open_objects", &C::open_objects)),
      Live(SwitchKey("show_schema", &C::show_schema)),
      Live(SwitchKey("close_before_limit", &C::close_before_limit)),
      Live(CountKey("json_tokens_max", &C::json_tokens_max)),
      Live(NumberKey("drain_timeout_s", &C::drain_timeout_s)),
      Live(NumberKey("drain_grace_s", &C::drain_grace_s)),
      Masked(StringKey("store_url", &C::store_url), &C::store_url),
      StringKey("ledger_on_failure", &C::ledger_on_failure),
      StringKey("ledger_journal", &C::ledger_journal),
      StringKey("access_log", &C::access_log),
  };
  return keys;
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
  for (const auto& [name, node] : root) {
    const Key* found = nullptr;
    for (const Key& key : Keys())
      if (name.str() == key.name) found = &key;
    const int line = static_cast<int>(node.source().begin.line);
    if (found == nullptr)
      return InvalidArgument(fmt::format("{}:{}: unknown key {}", origin, line, name.str()));
    if (!found->read(node, config))
      return InvalidArgument(
          fmt::format("{}:{}: {} must be {}", origin, line, name.str(), found->type));
  }
  return {};
}

std::string ToToml(const ServerConfig& config) {
  std::string text;
  for (const Key& key : Keys()) text += fmt::format("{} = {}\n", key.name, key.write(config));
  return text;
}

ServerConfig TakeLive(const ServerConfig& now, const ServerConfig& wanted) {
  ServerConfig merged = now;
  for (const Key& key : Keys())
    if (key.is_live) key.copy(wanted, merged);
  return merged;
}

std::vector<std::string> NeedRestart(const ServerConfig& now, const ServerConfig& wanted) {
  std::vector<std::string> names;
  for (const Key& key : Keys())
    if (!key.is_live && key.write(now) != key.write(wanted)) names.emplace_back(key.name);
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
  if (c.n_max < 1 || c.n_max > 128) return InvalidArgument("n_max must be 1 to 128");
  if (c.kv_type != "f16" && c.kv_type != "int8")
    return InvalidArgument("kv_type must be f16 or int8");
  if (c.sampling_defaults != "model" && c.sampling_defaults != "api")
    return InvalidArgument("sampling_defaults must be model or api");
  if (c.strict_schema != "extended" && c.strict_schema != "openai")
    return InvalidArgument("strict_schema must be extended or openai");
  if (c.require_keys != "auto" && c.require_keys != "always" && c.require_keys != "never")
    return InvalidArgument("require_keys must be auto, always or never");
  if (c.open_objects != "closed" && c.open_objects != "as_written")
    return InvalidArgument("open_objects must be closed or as_written");
  if (c.tls_certificate.empty() != c.tls_key.empty())
    return InvalidArgument("tls_certificate and tls_key come together");
  if (c.ops_tls_certificate.empty() != c.ops_tls_key.empty())
    return InvalidArgument("ops_tls_certificate and ops_tls_key come together");
  if (c.step_budget_ms < 1) return InvalidArgument("step_budget_ms must be at least 1");
  if (c.drain_timeout_s < 0 || c.drain_grace_s < 0)
    return InvalidArgument("drain times cannot be negative");
  if (c.queue_wait_s < 0) return InvalidArgument("queue_wait_s cannot be negative");
  for (const std::string& origin : c.cors_origins) INFE_TRY(ValidateOrigin(origin));
  INFE_TRY(store::ParseLedgerFailureMode(c.ledger_on_failure));
  INFE_TRY(ParseBytes(c.ledger_journal));
  INFE_TRY(store::IsPostgresUrl(c.store_url));
  INFE_ASSIGN(const uint64_t kv, ParseBytes(c.kv_memory));
  if (kv < (uint64_t{16} << 20)) return InvalidArgument("kv_memory must be at least 16MiB");
  INFE_ASSIGN(const uint64_t disk, ParseBytes(c.prefix_cache_disk));
  if (disk > 0 && !c.prefix_cache)
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

}  // namespace infe::server

// Every setting of `infe serve`, a row each: the only place where a key, its flag, its help and
// what a reload may do with it stand. The reader of infe.toml, the command line, `infe config`, a
// reload and the table in docs/operations.md go through the rows.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "server/config/config.h"

namespace infe::server {

// A setting as a file or a command line says it.
using ConfigValue = std::variant<std::string, int64_t, double, bool, std::vector<std::string>>;

struct ConfigKey {
  const char* name;  // in infe.toml
  const char* flag;  // of infe serve, or null; "--no-...": turns the switch off
  const char* help;  // one line, for --help and the docs
  const char* section;
  bool in_file = true;  // false: the flag alone
  bool live = false;    // a reload takes a new value over
  bool secret = false;  // a URL whose password is never shown
  // InvalidArgument names the key and what it must be.
  std::function<Result<void>(const ConfigValue& value, ServerConfig& config)> set = {};
  std::function<ConfigValue(const ServerConfig& config)> get = {};

  bool turns_off() const { return flag != nullptr && std::string_view(flag).starts_with("--no-"); }
};

std::span<const ConfigKey> ConfigKeys();
// As they stand in infe.toml.
std::string ToTomlText(const ConfigValue& value);
std::string WriteValue(const ConfigKey& key, const ServerConfig& config);
// The key whose name looks most like it, or null where none does.
const ConfigKey* NearestKey(std::string_view name);
// The table of docs/operations.md.
std::string ConfigKeysAsMarkdown();

}  // namespace infe::server

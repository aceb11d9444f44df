#include "server/config/upstream_keys.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace infe::server {
namespace {

using U = UpstreamConfig;

// As much as a day: what waits longer is no answer.
constexpr double kTimeoutMaxS = 86'400;

template <typename T>
UpstreamKey Row(const char* name, T U::* member, const char* what, const char* help) {
  return {.name = name,
          .help = help,
          .set = [=](const ConfigValue& value, U& to) -> Result<void> {
            const T* given = std::get_if<T>(&value);
            if (given == nullptr) return InvalidArgument(fmt::format("{} must be {}", name, what));
            to.*member = *given;
            return {};
          },
          .get = [=](const U& from) { return ConfigValue(from.*member); }};
}
UpstreamKey Text(const char* name, std::string U::* member, const char* help) {
  return Row(name, member, "a string", help);
}
UpstreamKey Number(const char* name, double U::* member, const char* help) {
  UpstreamKey row = Row(name, member, "a number", help);
  row.set = [set = row.set](const ConfigValue& value, U& to) {
    const int64_t* whole = std::get_if<int64_t>(&value);
    return set(whole == nullptr ? value : ConfigValue(static_cast<double>(*whole)), to);
  };
  return row;
}

std::vector<UpstreamKey> MakeRows() {
  std::vector<UpstreamKey> rows;
  rows.push_back(Text("name", &U::name, "How ledger, log and metrics call it"));
  rows.push_back(Text("url", &U::url, "http:// or https://, up to and with /v1"));
  rows.push_back(Row("models", &U::models, "a list of strings",
                     "Model names; `ours=theirs` where the server calls it otherwise"));
  rows.push_back(Text("key_file", &U::key_file, "File with its API key, one line"));
  rows.push_back(Text("credential", &U::credential,
                      "The same, by its name in `$CREDENTIALS_DIRECTORY` (systemd)"));
  rows.push_back(Text("ca_file", &U::ca_file,
                      "PEM file with the authorities to trust (default: the system's)"));
  rows.push_back(Number("weight", &U::weight, "Of weight 2 gets twice the requests of weight 1"));
  rows.push_back(Number("connect_timeout_s", &U::connect_timeout_s,
                        "Seconds until a connection stands, with TLS"));
  rows.push_back(Number("first_token_timeout_s", &U::first_token_timeout_s,
                        "Seconds until something of the answer comes"));
  rows.push_back(Number("silence_timeout_s", &U::silence_timeout_s,
                        "Seconds without a byte in the middle of an answer"));
  rows.push_back(Text("tokens_field", &U::tokens_field,
                      "max_tokens, or max_completion_tokens as OpenAI's newer models want it"));
  rows.push_back(Row("extended", &U::extended, "true or false",
                     "It takes fields beyond OpenAI's (top_k, min_p ...); false: those are a 400"));
  return rows;
}

Error Wrong(const U& upstream, std::string_view what) {
  return InvalidArgument(fmt::format("upstream {}: {}", upstream.name, what));
}

Result<void> ValidateOne(const U& u) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  if (u.name.empty() || u.name.size() > 64 || !std::all_of(u.name.begin(), u.name.end(), plain))
    return InvalidArgument(fmt::format(
        "an upstream's name is 1 to 64 letters, digits, dots, dashes or underscores: \"{}\"",
        u.name));
  if (!u.url.starts_with("http://") && !u.url.starts_with("https://"))
    return Wrong(u, "url must begin with http:// or https://");
  if (u.url.find('@') != std::string::npos)
    return Wrong(u, "url holds no key or password; key_file does");
  if (u.models.empty()) return Wrong(u, "models names at least one model");
  for (const std::string& entry : u.models) {
    const UpstreamName model = ToUpstreamName(entry);
    if (model.ours.empty() || model.theirs.empty())
      return Wrong(u, fmt::format("\"{}\" names no model", entry));
  }
  if (!u.key_file.empty() && !u.credential.empty())
    return Wrong(u, "key_file and credential are two ways to say one thing");
  if (u.credential.find('/') != std::string::npos)
    return Wrong(u, "credential is a name, not a path");
  if (!(u.weight > 0 && u.weight <= 1000)) return Wrong(u, "weight must be above 0, up to 1000");
  for (const double seconds : {u.connect_timeout_s, u.first_token_timeout_s, u.silence_timeout_s})
    if (!(seconds > 0 && seconds <= kTimeoutMaxS))
      return Wrong(u, "timeouts must be above 0, up to 86400 seconds");
  if (u.tokens_field != "max_tokens" && u.tokens_field != "max_completion_tokens")
    return Wrong(u, "tokens_field must be max_tokens or max_completion_tokens");
  return {};
}

}  // namespace

std::span<const UpstreamKey> UpstreamKeys() {
  static const std::vector<UpstreamKey> rows = MakeRows();
  return rows;
}

Result<void> SetUpstreamKey(std::string_view name, const ConfigValue& value, UpstreamConfig& to) {
  for (const UpstreamKey& key : UpstreamKeys())
    if (name == key.name) return key.set(value, to);
  return InvalidArgument(fmt::format("unknown key {} of an upstream", name));
}

std::string UpstreamsAsToml(const std::vector<UpstreamConfig>& upstreams) {
  std::string text;
  for (const UpstreamConfig& upstream : upstreams) {
    text += "\n[[upstream]]\n";
    for (const UpstreamKey& key : UpstreamKeys())
      if (key.get(upstream) != key.get(UpstreamConfig()))
        text += fmt::format("{} = {}\n", key.name, ToTomlText(key.get(upstream)));
  }
  return text;
}

std::string UpstreamKeysAsMarkdown() {
  std::string text = "| key of `[[upstream]]` | default | |\n|---|---|---|\n";
  for (const UpstreamKey& key : UpstreamKeys())
    text += fmt::format("| `{}` | `{}` | {} |\n", key.name, ToTomlText(key.get(UpstreamConfig())),
                        key.help);
  return text;
}

UpstreamName ToUpstreamName(std::string_view entry) {
  const size_t equals = entry.find('=');
  if (equals == std::string_view::npos) return {std::string(entry), std::string(entry)};
  return {std::string(entry.substr(0, equals)), std::string(entry.substr(equals + 1))};
}

Result<void> ValidateUpstreams(const std::vector<UpstreamConfig>& upstreams) {
  std::set<std::string> names;
  for (const UpstreamConfig& upstream : upstreams) {
    INFE_TRY(ValidateOne(upstream));
    if (!names.insert(upstream.name).second) return Wrong(upstream, "there are two of this name");
  }
  return {};
}

}  // namespace infe::server

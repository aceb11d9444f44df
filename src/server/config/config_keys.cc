#include "server/config/config_keys.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "store/database.h"

namespace infe::server {
namespace {

using C = ServerConfig;

constexpr const char* kListening =
    "Listening. A public address needs keys and TLS, or `insecure = true`";
constexpr const char* kFiles = "Files";
constexpr const char* kModels = "Models";
constexpr const char* kUpstreams = "Upstreams. More of them in `[[upstream]]` tables";
constexpr const char* kOverload =
    "Overload. Beyond these, requests are refused with 503 before any work is done";
constexpr const char* kUsage = "Usage";
constexpr const char* kRequests = "Requests";
constexpr const char* kKept = "Kept for clients, per project: responses, conversations, chats";
constexpr const char* kStopping = "Stopping";

// ---- What a key's value is, by the type of its field.

struct Value {
  // `name` for messages.
  std::function<Result<void>(const char* name, const ConfigValue&, C&)> set;
  std::function<ConfigValue(const C&)> get;
};

Error MustBe(const char* name, std::string_view what) {
  return InvalidArgument(fmt::format("{} must be {}", name, what));
}

// A field that is what the file says: T is one of ConfigValue's.
template <typename T>
Value Plain(T C::* member, const char* what) {
  return {[member, what](const char* name, const ConfigValue& value, C& config) -> Result<void> {
            const T* given = std::get_if<T>(&value);
            if (given == nullptr) return MustBe(name, what);
            config.*member = *given;
            return {};
          },
          [member](const C& config) { return ConfigValue(config.*member); }};
}
Value Text(std::string C::* member) {
  return Plain(member, "a string");
}
// An address to listen on: an IPv6 one may stand in the brackets that a URL needs.
Value Host(std::string C::* member) {
  Value text = Text(member);
  return {[member, set = text.set](const char* name, const ConfigValue& value,
                                   C& config) -> Result<void> {
            INFE_TRY(set(name, value, config));
            std::string& host = config.*member;
            if (host.size() > 2 && host.front() == '[' && host.back() == ']')
              host = host.substr(1, host.size() - 2);
            return {};
          },
          text.get};
}
Value Switch(bool C::* member) {
  return Plain(member, "true or false");
}
Value List(std::vector<std::string> C::* member) {
  return Plain(member, "a list of strings");
}

Value Count(uint32_t C::* member) {
  return {[member](const char* name, const ConfigValue& value, C& config) -> Result<void> {
            const int64_t* given = std::get_if<int64_t>(&value);
            if (given == nullptr || *given < 0 || *given > int64_t{UINT32_MAX})
              return MustBe(name, "an integer from 0");
            config.*member = static_cast<uint32_t>(*given);
            return {};
          },
          [member](const C& config) { return ConfigValue(int64_t{config.*member}); }};
}

Value Number(double C::* member) {
  return {[member](const char* name, const ConfigValue& value, C& config) -> Result<void> {
            const int64_t* whole = std::get_if<int64_t>(&value);
            const double* given = std::get_if<double>(&value);
            if (whole == nullptr && given == nullptr) return MustBe(name, "a number");
            config.*member = given != nullptr ? *given : static_cast<double>(*whole);
            return {};
          },
          [member](const C& config) { return ConfigValue(config.*member); }};
}

Value Bytes(uint64_t C::* member) {
  return {[member](const char* name, const ConfigValue& value, C& config) -> Result<void> {
            const std::string* text = std::get_if<std::string>(&value);
            if (text == nullptr) return MustBe(name, "a string");
            const Result<uint64_t> bytes = ParseBytes(*text);
            if (!bytes) return InvalidArgument(fmt::format("{}: {}", name, bytes.error().message));
            config.*member = *bytes;
            return {};
          },
          [member](const C& config) { return ConfigValue(FormatBytes(config.*member)); }};
}

// "auto, always or never"
template <typename E>
std::string Listed(std::span<const std::pair<const char*, E>> names) {
  std::string text;
  for (size_t i = 0; i < names.size(); ++i)
    text += fmt::format("{}{}",
                        i == 0                  ? ""
                        : i + 1 == names.size() ? " or "
                                                : ", ",
                        names[i].first);
  return text;
}

// names: of every enumerator; outlives the rows.
template <typename E>
Value Choice(E C::* member, std::span<const std::pair<const char*, E>> names) {
  return {[member, names](const char* name, const ConfigValue& value, C& config) -> Result<void> {
            const std::string* text = std::get_if<std::string>(&value);
            for (const auto& [word, meaning] : names)
              if (text != nullptr && *text == word) {
                config.*member = meaning;
                return {};
              }
            return MustBe(name, Listed(names));
          },
          [member, names](const C& config) {
            const auto found = std::find_if(names.begin(), names.end(), [&](const auto& choice) {
              return choice.second == config.*member;
            });
            INFE_CHECK(found != names.end());
            return ConfigValue(std::string(found->first));
          }};
}

template <typename E>
using Names = std::pair<const char*, E>;

constexpr Names<kernels::KvType> kKvTypes[] = {{"f16", kernels::KvType::kF16},
                                               {"int8", kernels::KvType::kInt8}};
constexpr Names<RequireKeys> kRequireKeys[] = {
    {"auto", RequireKeys::kAuto}, {"always", RequireKeys::kAlways}, {"never", RequireKeys::kNever}};
constexpr Names<SamplingDefaults> kSamplingDefaults[] = {{"model", SamplingDefaults::kModel},
                                                         {"api", SamplingDefaults::kApi}};
constexpr Names<StrictSchema> kStrictSchema[] = {{"extended", StrictSchema::kExtended},
                                                 {"openai", StrictSchema::kOpenAi}};
constexpr Names<Images> kImages[] = {{"refuse", Images::kRefuse},
                                     {"placeholder", Images::kPlaceholder}};
constexpr Names<grammar::OpenObjects> kOpenObjects[] = {
    {"closed", grammar::OpenObjects::kClosed}, {"as_written", grammar::OpenObjects::kAsWritten}};
constexpr Names<store::LedgerFailureMode> kLedgerModes[] = {
    {"closed", store::LedgerFailureMode::kClosed},
    {"open-bounded", store::LedgerFailureMode::kOpenBounded}};

constexpr Names<GetLoad> kGetLoad[] = {{"sglang", GetLoad::kSglang}, {"vllm", GetLoad::kVllm}};
constexpr Names<UpstreamBalance> kUpstreamBalance[] = {{"least", UpstreamBalance::kLeast},
                                                       {"prefix", UpstreamBalance::kPrefix}};

template <typename E, size_t kCount>
Value OneOf(E C::* member, const Names<E> (&names)[kCount]) {
  return Choice<E>(member, names);
}

// ---- The rows.

ConfigKey Row(const char* section, const char* name, const char* flag, Value value,
              const char* help) {
  ConfigKey key{.name = name, .flag = flag, .help = help, .section = section};
  key.set = [name, set = std::move(value.set)](const ConfigValue& given, C& config) {
    return set(name, given, config);
  };
  key.get = std::move(value.get);
  return key;
}
ConfigKey Live(ConfigKey key) {
  key.live = true;
  return key;
}
ConfigKey Secret(ConfigKey key) {
  key.secret = true;
  return key;
}
ConfigKey FlagOnly(ConfigKey key) {
  key.in_file = false;
  return key;
}

using Rows = std::vector<ConfigKey>;

void AddListening(Rows& rows) {
  const auto row = [&](const char* name, const char* flag, Value value, const char* help) {
    return Row(kListening, name, flag, std::move(value), help);
  };
  rows.push_back(row("host", "--host", Host(&C::host),
                     "Address to listen on; a public one needs keys and TLS"));
  rows.push_back(row("port", "--port", Count(&C::port), "Port of the API"));
  rows.push_back(row("ops_host", "--ops-host", Host(&C::ops_host),
                     "Address of the operations port; a public one needs TLS"));
  rows.push_back(row("ops_port", "--ops-port", Count(&C::ops_port),
                     "Metrics, health and administration; 0: none"));
  rows.push_back(row("tls_certificate", "--tls-certificate", Text(&C::tls_certificate),
                     "PEM file with the certificate chain"));
  rows.push_back(row("tls_key", "--tls-key", Text(&C::tls_key), "PEM file with the private key"));
  rows.push_back(row("ops_tls_certificate", "--ops-tls-certificate", Text(&C::ops_tls_certificate),
                     "The same for the operations port (default on a public address: the API's)"));
  rows.push_back(
      row("ops_tls_key", "--ops-tls-key", Text(&C::ops_tls_key), "PEM file with its private key"));
  rows.push_back(
      Live(row("metrics_on_api", "--metrics-on-api", Switch(&C::metrics_on_api),
               "/metrics on the API's port too, without a key, for routers that know one port")));
  rows.push_back(Live(row("get_load", "--get-load", OneOf(&C::get_load, kGetLoad),
                          "Shape of /get_load: sglang for sglang-router, vllm for vllm-router")));
  rows.push_back(row("trusted_proxies", "--trusted-proxy", List(&C::trusted_proxies),
                     "Address or network of a proxy whose X-Forwarded-For is believed; may be "
                     "repeated"));
  rows.push_back(Live(row("cors_origins", "--cors-origin", List(&C::cors_origins),
                          "Web page that may call from a browser, or *; may be repeated")));
  rows.push_back(Live(row("allowed_hosts", "--allowed-host", List(&C::allowed_hosts),
                          "Host name to answer to beside localhost, or *; may be repeated")));
  rows.push_back(row("insecure", "--insecure", Switch(&C::insecure),
                     "Allow a public address without keys or TLS"));
  rows.push_back(
      Live(row("require_keys", "--require-keys", OneOf(&C::require_keys, kRequireKeys),
               "auto: without keys take everyone on this machine, unless keys were made before and "
               "are lost; always: never without keys; never: even then")));
  rows.push_back(FlagOnly(row("first_key", "--first-key", Switch(&C::first_key),
                              "Make an API key if there is none, and print it")));
}

void AddFiles(Rows& rows) {
  const auto row = [&](const char* name, const char* flag, Value value, const char* help) {
    return Row(kFiles, name, flag, std::move(value), help);
  };
  rows.push_back(
      row("data_dir", "--data-dir", Text(&C::data_dir), "Where models and keys are kept"));
  rows.push_back(Secret(
      row("store_url", "--store-url", Text(&C::store_url),
          "Database of keys and usage: postgresql://... (default: a file in the data folder)")));
  rows.push_back(row("access_log", "--access-log", Text(&C::access_log),
                     "JSON lines to this file; - for stderr"));
  rows.push_back(row("packed_cache", nullptr, Switch(&C::packed_cache),
                     "Keep repacked weights in the data folder for a quick start"));
  rows.push_back(
      row("prefix_cache_disk", "--prefix-cache-disk", Bytes(&C::prefix_cache_disk_bytes),
          "Keep the prefix cache over restarts in a file of so much per model, such as 512MiB; "
          "0: do not"));
}

void AddModels(Rows& rows) {
  const auto row = [&](const char* name, const char* flag, Value value, const char* help) {
    return Row(kModels, name, flag, std::move(value), help);
  };
  rows.push_back(Live(row("models", "--model", List(&C::models),
                          "Name or GGUF path; may be repeated (default: every pulled model)")));
  rows.push_back(row("chat_template", "--chat-template", Text(&C::chat_template),
                     "A Jinja file in place of every model's own template"));
  rows.push_back(row("threads", "--threads", Count(&C::threads),
                     "Compute threads; 0: all that this process may use"));
  rows.push_back(row("pin_threads", "--no-pin-threads", Switch(&C::pin_threads),
                     "Leave it to the system which CPU computes what"));
  rows.push_back(row("max_batch", "--max-batch", Count(&C::max_batch),
                     "Sequences that decode together, per model"));
  rows.push_back(row("context", "--context", Count(&C::context),
                     "Positions per sequence; 0: the model's own"));
  rows.push_back(row("kv_memory", "--kv-memory", Bytes(&C::kv_memory_bytes),
                     "Memory for attention keys and values, per model"));
  rows.push_back(row("memory_limit", "--memory-limit", Bytes(&C::memory_limit_bytes),
                     "Memory of all models together: what does not fit is refused at load, and "
                     "kv_memory is less where little is left; 0: none"));
  rows.push_back(row("kv_type", "--kv-type", OneOf(&C::kv_type, kKvTypes),
                     "f16, or int8 (half the memory, slightly other logits)"));
  rows.push_back(row("step_budget_ms", "--step-budget-ms", Number(&C::step_budget_ms),
                     "Longest step while anyone decodes"));
  rows.push_back(row("prefix_cache", "--no-prefix-cache", Switch(&C::prefix_cache),
                     "Compute every prompt anew"));
  rows.push_back(row("speculation", "--no-speculation", Switch(&C::speculation),
                     "One token per step and sequence"));
  rows.push_back(row("draft_models", "--no-draft", Switch(&C::draft_models),
                     "No second model guesses ahead where the registry names one"));
}

void AddUpstreams(Rows& rows) {
  rows.push_back(Live(Row(kUpstreams, "local_models", "--no-local-models", Switch(&C::local_models),
                          "Serve none but the models of upstreams")));
  rows.push_back(Live(Row(kUpstreams, "upstream_balance", nullptr,
                          OneOf(&C::upstream_balance, kUpstreamBalance),
                          "Of several servers of a model: least, the one with the fewest requests; "
                          "prefix, the one that has the conversation's beginning")));
  rows.push_back(Live(Row(kUpstreams, "upstream_retries", nullptr, Count(&C::upstream_retries),
                          "Further attempts at other servers, while nothing was answered")));
}

void AddOverloadAndUsage(Rows& rows) {
  rows.push_back(Row(kOverload, "queue_requests", "--queue-requests", Count(&C::queue_requests),
                     "Waiting requests per model; 0: 4 x max-batch + 64"));
  rows.push_back(Row(kOverload, "queue_tokens", "--queue-tokens", Count(&C::queue_tokens),
                     "Waiting prompt tokens per model"));
  rows.push_back(Row(kOverload, "queue_wait_s", "--queue-wait", Number(&C::queue_wait_s),
                     "Seconds within which waiting prompts can be computed; more is refused"));
  rows.push_back(Row(
      kUsage, "ledger_on_failure", nullptr, OneOf(&C::ledger_on_failure, kLedgerModes),
      "When usage cannot be written: closed refuses requests, open-bounded keeps it in memory"));
  rows.push_back(
      Row(kUsage, "ledger_journal", nullptr, Bytes(&C::ledger_journal_bytes), "How much of it"));
}

void AddRequests(Rows& rows) {
  const auto row = [&](const char* name, const char* flag, Value value, const char* help) {
    return Row(kRequests, name, flag, std::move(value), help);
  };
  rows.push_back(row(
      "sampling_defaults", "--sampling-defaults", OneOf(&C::sampling_defaults, kSamplingDefaults),
      "Where a request is silent: model, what its authors advise; api, the API's 1 and 1"));
  rows.push_back(Live(row("n_max", nullptr, Count(&C::n_max), "Choices per request, up to 128")));
  rows.push_back(
      Live(row("stop_max", nullptr, Count(&C::stop_max), "Stop texts per request, up to 64")));
  rows.push_back(
      Live(row("tools_max", nullptr, Count(&C::tools_max), "Tools per request, up to 1024")));
  rows.push_back(Live(row("images", nullptr, OneOf(&C::images, kImages),
                          "In a conversation: refuse, or placeholder, a text in its place")));
  rows.push_back(Live(row("strict_params", "--strict-params", Switch(&C::strict_params),
                          "Refuse unknown request fields instead of listing them")));
  rows.push_back(Live(row("json_word_check", nullptr, Switch(&C::json_word_check),
                          "json_object wants \"json\" in some message, as OpenAI demands")));
  rows.push_back(Live(row("strict_schema", nullptr, OneOf(&C::strict_schema, kStrictSchema),
                          "extended, or openai: refuse what OpenAI refuses")));
  rows.push_back(Live(row("show_schema", nullptr, Switch(&C::show_schema),
                          "Tell the model the schema it must follow")));
  rows.push_back(
      Live(row("open_objects", nullptr, OneOf(&C::open_objects, kOpenObjects),
               "closed: keys that a schema does not declare are not written unless it says "
               "additionalProperties; as_written: as the specification has it")));
  rows.push_back(Live(row("close_before_limit", nullptr, Switch(&C::close_before_limit),
                          "End a JSON text before the token limit cuts it")));
  rows.push_back(Live(row("json_tokens_max", nullptr, Count(&C::json_tokens_max),
                          "Of a JSON answer without max_tokens; 0: what the context leaves")));
  rows.push_back(Live(row("answer_tokens_max", nullptr, Count(&C::answer_tokens_max),
                          "Of any answer without max_tokens; 0: what the context leaves")));
}

void AddKept(Rows& rows) {
  rows.push_back(Live(Row(kKept, "keep_responses", "--no-keep-responses",
                          Switch(&C::keep_responses), "Keep nothing, whatever requests say")));
  rows.push_back(Live(Row(kKept, "kept_days", nullptr, Count(&C::kept_days),
                          "Days after which it is gone, unless something goes on from it")));
  rows.push_back(Row(kKept, "kept_bytes", "--kept-bytes", Bytes(&C::kept_bytes),
                     "So much of it; beyond, the oldest go first"));
}

void AddStopping(Rows& rows) {
  rows.push_back(
      Live(Row(kStopping, "drain_grace_s", "--drain-grace", Number(&C::drain_grace_s),
               "Seconds at SIGTERM in which everything is still served, but not ready any more")));
  rows.push_back(
      Live(Row(kStopping, "drain_timeout_s", "--drain-timeout", Number(&C::drain_timeout_s),
               "Seconds that requests in flight get to finish at stop")));
}

Rows MakeRows() {
  Rows rows;
  AddListening(rows);
  AddFiles(rows);
  AddModels(rows);
  AddUpstreams(rows);
  AddOverloadAndUsage(rows);
  AddRequests(rows);
  AddKept(rows);
  AddStopping(rows);
  return rows;
}

std::string QuotedToml(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

// How many letters have to be exchanged, left out, put in or swapped with their neighbour.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const bool same = a[i - 1] == b[j - 1];
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

}  // namespace

std::span<const ConfigKey> ConfigKeys() {
  static const Rows rows = MakeRows();
  return rows;
}

std::string ToTomlText(const ConfigValue& value) {
  struct Writer {
    std::string operator()(const std::string& text) const { return QuotedToml(text); }
    std::string operator()(int64_t count) const { return fmt::format("{}", count); }
    std::string operator()(double number) const { return fmt::format("{}", number); }
    std::string operator()(bool on) const { return on ? "true" : "false"; }
    std::string operator()(const std::vector<std::string>& list) const {
      std::string text = "[";
      for (const std::string& item : list) text += (text.size() > 1 ? ", " : "") + QuotedToml(item);
      return text + "]";
    }
  };
  return std::visit(Writer(), value);
}

std::string WriteValue(const ConfigKey& key, const ServerConfig& config) {
  const ConfigValue value = key.get(config);
  if (key.secret) return QuotedToml(store::MaskStoreUrl(std::get<std::string>(value)));
  return ToTomlText(value);
}

const ConfigKey* NearestKey(std::string_view name) {
  const ConfigKey* nearest = nullptr;
  size_t least = std::max<size_t>(1, name.size() / 3) + 1;  // further away is another word
  for (const ConfigKey& key : ConfigKeys()) {
    const size_t distance = Distance(name, key.name);
    if (!key.in_file || distance >= least) continue;
    nearest = &key;
    least = distance;
  }
  return nearest;
}

std::string ConfigKeysAsMarkdown() {
  std::string text = "| key | flag | default | live | |\n|---|---|---|---|---|\n";
  const char* section = "";
  for (const ConfigKey& key : ConfigKeys()) {
    if (std::string_view(section) != key.section)
      text += fmt::format("| **{}** | | | | |\n", key.section);
    section = key.section;
    text += fmt::format("| {} | {} | `{}` | {} | {} |\n",
                        key.in_file ? fmt::format("`{}`", key.name) : "",
                        key.flag == nullptr ? "" : fmt::format("`{}`", key.flag),
                        WriteValue(key, ServerConfig()), key.live ? "yes" : "", key.help);
  }
  return text;
}

const char* Name(kernels::KvType type) {
  for (const auto& [name, meaning] : kKvTypes)
    if (meaning == type) return name;
  return "";
}

}  // namespace infe::server

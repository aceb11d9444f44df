// What an operator may decide, in one struct: defaults here, then infe.toml, then the environment
// and the command line (cli/serve.cc). A field is a row of config_keys.h as well. Every number is a
// limit or a size; none changes the text of an answer except where the comment says so.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "grammar/grammar.h"
#include "kernels/table.h"
#include "store/usage_ledger.h"

namespace infe::server {

enum class RequireKeys {
  kAuto,  // unless keys have been made with the data folder, in which case they were lost
  kAlways,
  kNever,  // even then
};
// Where a request leaves a sampling field out: what the model's authors advise, where known; or the
// API reference's own defaults, temperature 1 and top_p 1.
enum class SamplingDefaults { kModel, kApi };
// Of an image in a conversation: a 400, or a text that stands where it stood.
enum class Images { kRefuse, kPlaceholder };
enum class StrictSchema { kExtended, kOpenAi };
enum class UpstreamBalance { kLeast, kPrefix };

// Another server, whose models are answered for here: one [[upstream]] of infe.toml, its keys in
// upstream_keys.h.
struct UpstreamConfig {
  std::string name;
  std::string url;                  // up to and with /v1
  std::vector<std::string> models;  // "ours", or "ours=theirs"
  std::string key_file;             // its key is this file's only line
  std::string credential;           // or this one's, of $CREDENTIALS_DIRECTORY
  std::string ca_file;              // PEM; empty: the system's
  double weight = 1;
  double connect_timeout_s = 10;
  double first_token_timeout_s = 600;
  double silence_timeout_s = 300;
  std::string tokens_field = "max_tokens";
  bool extended = true;
  bool operator==(const UpstreamConfig&) const = default;
};

// Whose shape /get_load has: a request for it does not tell which router sends it.
enum class GetLoad : uint8_t { kSglang, kVllm };

struct ServerConfig {
  std::string host = "127.0.0.1";
  uint32_t port = 8080;
  std::string ops_host = "127.0.0.1";
  uint32_t ops_port = 8081;  // metrics, health, administration; 0: none
  std::string data_dir;      // empty: the default folder
  uint32_t threads = 0;      // compute threads; 0: as many as this process may use
  // With as many threads as there are CPUs to use: each stays on one.
  bool pin_threads = true;
  std::vector<std::string>
      models;                // names or paths; empty: every model of the registry that is here
  bool local_models = true;  // false: none but those of upstreams
  std::vector<UpstreamConfig> upstreams;
  UpstreamBalance upstream_balance = UpstreamBalance::kLeast;
  uint32_t upstream_retries = 2;  // each at another server, while nothing was answered
  uint32_t max_batch = 16;        // sequences that decode together, per model
  uint32_t context = 0;           // positions per sequence; 0: the model's own
  uint64_t kv_memory_bytes = uint64_t{1} << 30;     // per model
  uint64_t memory_limit_bytes = 0;                  // of all models together; 0: none
  kernels::KvType kv_type = kernels::KvType::kF16;  // int8 changes logits a little
  uint32_t queue_requests = 0;  // waiting requests per model; 0: 4 * max_batch + 64
  uint32_t queue_tokens = 1u << 20;
  // Of queue_tokens no more than what the machine, as it is measured, computes in this time: a
  // longer wait for the first token is refused at the door. 0: no such bound.
  double queue_wait_s = 60;
  double step_budget_ms = 40;
  bool prefix_cache = true;
  // Of the file per model that keeps the prefix cache over a restart, in the data folder. It holds
  // the tokens of prompts and answers. 0: no file.
  uint64_t prefix_cache_disk_bytes = 0;
  bool speculation = true;
  bool draft_models = true;  // those that the registry names; with speculation alone
  // A Jinja file that takes the place of the models' own templates; empty: none.
  std::string chat_template;
  bool packed_cache = true;  // keep repacked weights in the data folder for a quick start

  std::string tls_certificate, tls_key;  // PEM files; both or neither
  // The same for the operations port; without them it takes the API's where others than this
  // machine can reach it.
  std::string ops_tls_certificate, ops_tls_key;
  bool metrics_on_api = false;  // /metrics also where the API is
  GetLoad get_load = GetLoad::kSglang;
  std::vector<std::string> trusted_proxies;  // whose X-Forwarded-For is believed
  std::vector<std::string> cors_origins;     // web pages that may call: "https://app.example", "*"
  std::vector<std::string>
      allowed_hosts;      // Host names beside loopback's (server/door/host_guard.h)
  bool insecure = false;  // allow a public address without keys or TLS
  // Without keys a server takes everybody on this machine, unless:
  RequireKeys require_keys = RequireKeys::kAuto;
  bool first_key = false;  // make a key if there is none, and print it

  uint32_t n_max = 8;
  uint32_t stop_max = 4;     // stop texts of a request, as OpenAI's API has it
  uint32_t tools_max = 128;  // tools of a request, likewise
  SamplingDefaults sampling_defaults = SamplingDefaults::kModel;
  Images images = Images::kRefuse;
  bool strict_params = false;
  bool json_word_check = false;
  StrictSchema strict_schema = StrictSchema::kExtended;
  grammar::OpenObjects open_objects = grammar::OpenObjects::kClosed;
  bool show_schema = true;  // tell the model the schema it must follow
  bool close_before_limit = true;
  // Of an answer in a JSON format, or with tool calls, whose request gives no max_tokens: a small
  // model can write items without end. From three quarters of it on no optional item is begun, and
  // by then the text is closed; it stays valid. 0: no limit but what the context leaves.
  uint32_t json_tokens_max = 1024;
  // Of any chat answer whose request gives no limit: one that goes round in circles would hold its
  // place until the context is full. 0: no limit but that.
  uint32_t answer_tokens_max = 8192;

  // Responses and conversations that clients leave here (store/kept_store.h).
  bool keep_responses = true;
  uint32_t kept_days = 30;
  uint64_t kept_bytes = uint64_t{256} << 20;  // per project

  // At SIGTERM: not ready, yet serving, so that load balancers notice before anything is refused.
  double drain_grace_s = 5;
  double drain_timeout_s = 60;  // then requests in flight get this long to finish
  std::string store_url;        // empty: infe.db in the data folder; or postgresql://...
  // When usage cannot be written: refuses new requests, or keeps it in memory, up to the journal.
  store::LedgerFailureMode ledger_on_failure = store::LedgerFailureMode::kClosed;
  uint64_t ledger_journal_bytes = uint64_t{64} << 20;
  std::string access_log;  // a file, "-" for stderr, empty for none
};

// Reads the keys that the text has into config; unknown keys are errors with their line, and with
// the key that was meant, where one looks like it.
Result<void> ApplyToml(std::string_view text, std::string_view origin, ServerConfig& config);
// $XDG_CONFIG_HOME/infe/infe.toml, ~/.config/infe/infe.toml, /etc/infe/infe.toml: the first that is
// there, or empty.
std::string DefaultConfigPath();
// Contradictions and values out of range, each named with its option.
Result<void> Validate(const ServerConfig& config);
// "1GiB", "512MB", "800000" -> bytes.
Result<uint64_t> ParseBytes(std::string_view text);
// The same back, in the largest unit that says it exactly.
std::string FormatBytes(uint64_t bytes);
// "f16", "int8".
const char* Name(kernels::KvType type);
// The merged result as TOML. There are no secrets in it but a database's password, which is masked.
std::string ToToml(const ServerConfig& config);
// `now` with what a reload may change taken from `wanted`.
ServerConfig TakeLive(const ServerConfig& now, const ServerConfig& wanted);
// The keys in which `wanted` differs from `now` and that only a restart can change.
std::vector<std::string> NeedRestart(const ServerConfig& now, const ServerConfig& wanted);

}  // namespace infe::server

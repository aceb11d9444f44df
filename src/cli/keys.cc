// infe keys: make, list, change, rotate and revoke keys. Works on the database directly, so no
// server needs to run; a running one sees the change within a second.
#include <algorithm>
#include <ctime>
#include <filesystem>
#include <iostream>
#include <string>

#include <fmt/format.h>

#include "base/json.h"
#include "base/split_name.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/read_config.h"
#include "store/key_store.h"
#include "store/key_text.h"
#include "store/model_registry.h"
#include "store/utc.h"

namespace infe::cli {
namespace {

struct Arguments {
  StorePlace place;
  std::string id, expires, overlap = "24h";
  store::KeyPolicy policy;
  std::vector<std::string> scopes;
  bool revoke_all = false;
  bool import = false;
  bool admin = false, all_models = false, all = false, json = false;
};

std::string Date(int64_t seconds) {
  return seconds == 0 ? "-" : store::Rfc3339(seconds).substr(0, 16);
}

Json TimeOrNull(int64_t seconds) {
  return seconds == 0 ? Json() : Json(seconds);
}

Json ToJson(const std::vector<std::string>& texts) {
  Json list = Json::MakeArray();
  for (const std::string& text : texts) list.push_back(text);
  return list;
}

Json ToJson(const store::KeyLimits& limits) {
  Json json = Json::MakeObject();
  const auto add = [&](const char* name, int64_t value) {
    json.set(name, value == 0 ? Json() : Json(value));
  };
  add("requests_per_minute", limits.requests_per_minute);
  add("tokens_per_minute", limits.tokens_per_minute);
  add("concurrent_requests", limits.concurrent_requests);
  add("requests_per_day", limits.requests_per_day);
  add("tokens_per_day", limits.tokens_per_day);
  add("tokens_per_month", limits.tokens_per_month);
  return json;
}

Json ToJson(const store::KeyRecord& record) {
  return Json::Object{{"id", record.id},
                      {"name", record.name},
                      {"kind", record.kind == store::KeyKind::kAdmin ? "admin" : "api"},
                      {"redacted_key", store::RedactedKey(record.kind, record.last4)},
                      {"last4", record.last4},
                      {"account", record.account},
                      {"project", record.project},
                      {"created_by", record.created_by},
                      {"created_at", record.created_at},
                      {"expires_at", TimeOrNull(record.expires_at)},
                      {"revoked_at", TimeOrNull(record.revoked_at)},
                      {"last_used_at", TimeOrNull(record.last_used_at)},
                      {"scopes", ToJson(store::ScopeNames(record.scopes))},
                      {"models", record.models.empty() ? Json() : ToJson(record.models)},
                      {"weight", record.weight},
                      {"limits", ToJson(record.limits)}};
}

Result<std::unique_ptr<store::KeyStore>> OpenStore(const Arguments& arguments,
                                                   const Command& command) {
  INFE_ASSIGN(const StorePlace place, FindStore(command, arguments.place));
  INFE_ASSIGN(const store::DataDir dir, store::OpenDataDir(place.data_dir));
  return store::KeyStore::Open(dir, place.store_url);
}

// A key for a model that nobody serves is a typing error that shows at its first request. What may
// be named: models of the registry, by name or alias, and files that infe.toml names.
Result<void> CheckModels(const Arguments& arguments, const Command& command) {
  if (arguments.policy.models.empty()) return {};
  INFE_ASSIGN(const StorePlace place, FindStore(command, arguments.place));
  INFE_ASSIGN(const store::DataDir dir, store::OpenDataDir(place.data_dir));
  INFE_ASSIGN(const store::ModelRegistry registry, store::ModelRegistry::Load(dir));
  INFE_ASSIGN(const server::ServerConfig config, ReadConfig(""));
  for (const std::string& name : arguments.policy.models) {
    const bool is_file =
        std::any_of(config.models.begin(), config.models.end(),
                    [&](const std::string& path) { return ModelNameOf(path) == name; });
    if (!is_file && registry.Find(name) == nullptr)
      return NotFound(fmt::format("no model is called {}; see: infe ls --all", name));
  }
  return {};
}

// "never", a time to come, or a duration from now.
Result<int64_t> ParseExpiry(const std::string& text, int64_t now) {
  if (text == "never" || text == "0") return 0;
  if (const auto duration = store::ParseDuration(text)) {
    if (*duration == 0) return InvalidArgument("a key that expires in 0 seconds would be no key");
    return now + *duration;
  }
  const auto at = store::ParseTime(text, now);
  if (!at)
    return InvalidArgument(
        fmt::format("--expires {} is not never, a duration (90d) or a date "
                    "(2027-01-31, UTC)",
                    text));
  if (*at <= now) return InvalidArgument(fmt::format("--expires {} has passed already", text));
  return *at;
}

Result<store::KeyScopes> ParseScopes(const std::vector<std::string>& names) {
  store::KeyScopes scopes = 0;
  for (const std::string& name : names) {
    INFE_ASSIGN(const store::KeyScopes more, store::ParseScope(name));
    scopes |= more;
  }
  return scopes;
}

void Show(const store::NewKey& made, const Arguments& arguments) {
  if (arguments.json) {
    Json json = ToJson(made.record);
    json.object().insert(json.object().begin() + 1, {"key", made.key});
    fmt::print("{}\n", json.Dump());
    return;
  }
  const bool admin = made.record.kind == store::KeyKind::kAdmin;
  fmt::print("{}\n\nThis is the only time the key is shown. Use it with:\n  export {}={}\n",
             made.key, admin ? "OPENAI_ADMIN_KEY" : "INFE_API_KEY", made.key);
}

void Show(const store::KeyRecord& record, const Arguments& arguments, const char* what) {
  if (arguments.json)
    fmt::print("{}\n", ToJson(record).Dump());
  else
    fmt::print("{} ({}) is {}\n", record.id, record.name, what);
}

Result<void> Create(const Arguments& arguments, const Command& command) {
  store::KeyPolicy policy = arguments.policy;
  const auto kind = arguments.admin ? store::KeyKind::kAdmin : store::KeyKind::kApi;
  policy.scopes = arguments.admin ? store::kAdminScopes : store::kApiScopes;
  if (!arguments.scopes.empty()) {
    INFE_ASSIGN(policy.scopes, ParseScopes(arguments.scopes));
  }
  if (!arguments.expires.empty()) {
    INFE_ASSIGN(policy.expires_at, ParseExpiry(arguments.expires, std::time(nullptr)));
  }
  INFE_TRY(store::Validate(policy, kind));
  INFE_TRY(CheckModels(arguments, command));
  INFE_ASSIGN(const auto keys, OpenStore(arguments, command));
  if (!arguments.import) {
    INFE_ASSIGN(const store::NewKey made, keys->Create(policy, kind, "cli"));
    Show(made, arguments);
    return {};
  }
  // Not an argument: those are seen by every user of the machine, and kept by the shell.
  std::string key;
  std::getline(std::cin, key);
  if (key.ends_with('\r')) key.pop_back();
  INFE_ASSIGN(const store::NewKey made, keys->Import(policy, kind, key, "cli"));
  Show(made.record, arguments, "imported");
  return {};
}

std::string StateOf(const store::KeyRecord& record, int64_t now) {
  if (record.revoked_at != 0) return "revoked " + Date(record.revoked_at);
  if (record.IsLive(now))
    return record.expires_at == 0 ? "live" : "live until " + Date(record.expires_at);
  return "expired " + Date(record.expires_at);
}

// The limits of a key on one line: "60 rpm, 4 concurrent". Empty: none.
std::string LimitsText(const store::KeyLimits& limits) {
  std::string text;
  const auto add = [&](int64_t value, const char* unit) {
    if (value != 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", value, unit);
  };
  add(limits.requests_per_minute, "rpm");
  add(limits.tokens_per_minute, "tpm");
  add(limits.concurrent_requests, "concurrent");
  add(limits.requests_per_day, "requests/day");
  add(limits.tokens_per_day, "tokens/day");
  add(limits.tokens_per_month, "tokens/month");
  return text;
}

Result<void> List(const Arguments& arguments, const Command& command) {
  INFE_ASSIGN(const auto keys, OpenStore(arguments, command));
  store::KeyFilter filter;
  if (command.Given("--project")) filter.project = arguments.policy.project;
  INFE_ASSIGN(const auto records, keys->List(filter));
  if (arguments.json) {
    Json list = Json::MakeArray();
    for (const auto& record : records) list.push_back(ToJson(record));
    fmt::print("{}\n", Json(Json::Object{{"keys", list}}).Dump());
    return {};
  }
  const int64_t now = std::time(nullptr);
  size_t hidden = 0, shown = 0;
  for (const auto& r : records) {
    if (!arguments.all && !r.IsLive(now)) {
      ++hidden;
      continue;
    }
    ++shown;
    const std::string limits = LimitsText(r.limits);
    fmt::print("{}  {:<20} {:<24} {:<12} used {:<16}  {}{}\n", r.id, r.name,
               store::RedactedKey(r.kind, r.last4), r.project, Date(r.last_used_at),
               StateOf(r, now), limits.empty() ? "" : "; " + limits);
  }
  if (shown + hidden == 0) fmt::print("No keys yet. Make one with: infe keys create --name NAME\n");
  if (hidden != 0) fmt::print("{} revoked or expired; --all shows them\n", hidden);
  return {};
}

Result<void> Update(const Arguments& arguments, const Command& command) {
  INFE_TRY(CheckModels(arguments, command));
  INFE_ASSIGN(const auto keys, OpenStore(arguments, command));
  INFE_ASSIGN(const store::KeyRecord record, keys->Get(arguments.id));
  store::KeyPolicy policy = record;
  bool changed = false;
  const auto take = [&](const char* option, auto& to, const auto& from) {
    if (!command.Given(option)) return;
    to = from;
    changed = true;
  };
  const store::KeyPolicy& given = arguments.policy;
  take("--name", policy.name, given.name);
  take("--project", policy.project, given.project);
  take("--model", policy.models, given.models);
  take("--all-models", policy.models, std::vector<std::string>());
  take("--weight", policy.weight, given.weight);
  take("--rpm", policy.limits.requests_per_minute, given.limits.requests_per_minute);
  take("--tpm", policy.limits.tokens_per_minute, given.limits.tokens_per_minute);
  take("--concurrent", policy.limits.concurrent_requests, given.limits.concurrent_requests);
  take("--requests-per-day", policy.limits.requests_per_day, given.limits.requests_per_day);
  take("--tokens-per-day", policy.limits.tokens_per_day, given.limits.tokens_per_day);
  take("--tokens-per-month", policy.limits.tokens_per_month, given.limits.tokens_per_month);
  if (command.Given("--scope")) {
    INFE_ASSIGN(const store::KeyScopes scopes, ParseScopes(arguments.scopes));
    take("--scope", policy.scopes, scopes);
  }
  if (command.Given("--expires")) {
    INFE_ASSIGN(const int64_t at, ParseExpiry(arguments.expires, std::time(nullptr)));
    take("--expires", policy.expires_at, at);
  }
  if (!changed)
    return InvalidArgument("nothing to change: give what should be new, such as --rpm 60");
  INFE_ASSIGN(const store::KeyRecord updated, keys->Update(record.id, policy, "cli"));
  Show(updated, arguments, "changed");
  return {};
}

Result<void> Rotate(const Arguments& arguments, const Command& command) {
  INFE_ASSIGN(const int64_t overlap, store::ParseDuration(arguments.overlap));
  INFE_ASSIGN(const auto keys, OpenStore(arguments, command));
  INFE_ASSIGN(const store::NewKey made, keys->Rotate(arguments.id, overlap, "cli"));
  Show(made, arguments);
  if (!arguments.json)
    fmt::print("\nThe old key works for {} more; its limits and usage are the new key's too.\n",
               arguments.overlap);
  return {};
}

Result<void> Revoke(const Arguments& arguments, const Command& command) {
  INFE_ASSIGN(const auto keys, OpenStore(arguments, command));
  INFE_ASSIGN(const store::KeyRecord record, keys->Revoke(arguments.id, "cli"));
  Show(record, arguments, "revoked");
  return {};
}

Result<void> NewPepper(const Arguments& arguments, const Command& command) {
  if (!arguments.revoke_all)
    return InvalidArgument(
        "this ends every key there is: say --revoke-all-keys too. It is for a pepper that is lost "
        "for good; a backup of the file pepper keeps the keys");
  INFE_ASSIGN(const StorePlace place, FindStore(command, arguments.place));
  INFE_ASSIGN(const store::DataDir dir, store::OpenDataDir(place.data_dir));
  INFE_ASSIGN(const int64_t revoked, store::KeyStore::ReplacePepper(dir, place.store_url, "cli"));
  if (arguments.json)
    fmt::print("{}\n", Json(Json::Object{{"revoked", revoked}}).Dump());
  else
    fmt::print(
        "{} live keys are revoked, and {} is new (the one before is pepper.before).\nRestart every "
        "server on this database with it, then: infe keys create --name NAME\n",
        revoked, dir.pepper_path());
  return {};
}

// What an owner decides about a key, for create and update.
void AddPolicyOptions(Command& command, Arguments& a) {
  store::KeyLimits& limits = a.policy.limits;
  command.Option("--name", a.policy.name, "What the key is for")
      .Option("--project", a.policy.project, "Whose prefix cache and fair share it has")
      .Option(
          "--scope", a.scopes,
          "chat, responses, messages, embeddings, storage, models.read, usage.read (API keys: all "
          "unless given); admin.keys, admin.usage, admin.server, admin.* (admin keys); may be "
          "repeated")
      .Option("--only-model,--model", a.policy.models,
              "The only model it may use; may be repeated (default: all)")
      .Option("--expires", a.expires, "never, a duration (30d, 12h) or a date (2027-01-31, UTC)")
      .Option("--rpm", limits.requests_per_minute, "Requests per minute; 0: no limit, as below")
      .Option("--tpm", limits.tokens_per_minute, "Tokens per minute, cached ones free")
      .Option("--concurrent", limits.concurrent_requests, "Requests at the same time")
      .Option("--requests-per-day", limits.requests_per_day, "From midnight to midnight, UTC")
      .Option("--tokens-per-day", limits.tokens_per_day, "From midnight to midnight, UTC")
      .Option("--tokens-per-month", limits.tokens_per_month, "From the first of the month, UTC")
      .Option("--weight", a.policy.weight, "Share of the machine beside others that wait");
}

}  // namespace

void AddKeys(CommandLine& line) {
  static Arguments a;
  Command& keys = line.Add("keys", "Make, list, change, rotate and revoke API keys");
  const auto add = [&](const char* name, const char* help,
                       Result<void> (*action)(const Arguments&, const Command&)) -> Command& {
    Command& command = keys.Sub(name, help);
    AddStorePlace(command, a.place);
    command.Flag("--json", a.json, "Print JSON");
    command.Run([action, &command] {
      const auto done = action(a, command);
      if (done) return kExitDone;
      return done.error().code == ErrorCode::kInvalidArgument ? FailUsage(done.error().message)
                                                              : Fail(done.error());
    });
    return command;
  };
  Command& create = add("create", "Make a key; it is shown once", Create);
  create.Flag("--admin", a.admin, "A key for administration (sk-infe-admin-...), no inference");
  create.Flag("--import", a.import, "Take the key on stdin, one line, instead of making one");
  AddPolicyOptions(create, a);
  create.Footer(
      "Example: infe keys create --name ci --project tests --rpm 60 --tokens-per-day 200000 "
      "--expires 30d\nTokens: the prompt's and the answer's, without cached ones. docs/keys.md "
      "tells how limits count.");
  Command& list = add("list", "List keys, never their secrets", List);
  list.Option("--project", a.policy.project, "Only this project's")
      .Flag("--all", a.all, "Revoked and expired ones too (--json has them always)");
  Command& update = add("update", "Change a key; what is not given stays", Update);
  update.Argument("ID", a.id, "The key's id or its name", true);
  AddPolicyOptions(update, a);
  update.Flag("--all-models", a.all_models, "May use every model again");
  Command& rotate =
      add("rotate", "A new key of the same limits and usage; the old one ends later", Rotate);
  rotate.Argument("ID", a.id, "The key's id or its name", true)
      .Option("--overlap", a.overlap, "How long the old key still works: 24h, 0s");
  Command& pepper =
      add("new-pepper", "For a pepper that is lost: ends all keys, begins anew", NewPepper);
  pepper.Flag("--revoke-all-keys", a.revoke_all, "Yes, every key");
  Command& revoke = add("revoke", "End a key, within a second and for good", Revoke);
  revoke.Argument("ID", a.id, "The key's id or its name", true);
}

}  // namespace infe::cli

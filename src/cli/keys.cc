// infe keys: make, list and revoke API keys. Works on the database directly, so no server needs to
// run; a running one sees the change within a quarter of a second.
#include <ctime>

#include <fmt/format.h>

#include "base/json.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "store/key_store.h"

namespace infe::cli {
namespace {

struct Arguments {
  std::string data_dir, name, id;
  int64_t expires_in_days = 0;
  bool json = false;
};

std::string Date(int64_t seconds) {
  if (seconds == 0) return "-";
  const std::time_t time = seconds;
  std::tm utc{};
  gmtime_r(&time, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", &utc);
  return text;
}

Json ToJson(const store::KeyRecord& record) {
  return Json::Object{{"id", record.id},
                      {"name", record.name},
                      {"last4", record.last4},
                      {"created_at", record.created_at},
                      {"expires_at", record.expires_at == 0 ? Json() : Json(record.expires_at)},
                      {"revoked_at", record.revoked_at == 0 ? Json() : Json(record.revoked_at)},
                      {"project", record.project}};
}

Result<std::unique_ptr<store::KeyStore>> OpenStore(const Arguments& arguments) {
  INFE_ASSIGN(const store::DataDir dir, store::OpenDataDir(arguments.data_dir));
  return store::KeyStore::Open(dir);
}

Result<void> Create(const Arguments& arguments) {
  INFE_ASSIGN(const auto keys, OpenStore(arguments));
  const int64_t expires =
      arguments.expires_in_days > 0 ? std::time(nullptr) + arguments.expires_in_days * 86400 : 0;
  INFE_ASSIGN(
      const store::NewKey made,
      keys->Create({.name = arguments.name, .expires_at = expires}, store::KeyKind::kApi, "cli"));
  if (arguments.json) {
    Json json = ToJson(made.record);
    json.object().insert(json.object().begin() + 1, {"key", made.key});
    fmt::print("{}\n", json.Dump());
  } else {
    fmt::print(
        "{}\n\nThis is the only time the key is shown. Use it with:\n  export INFE_API_KEY={}\n",
        made.key, made.key);
  }
  return {};
}

Result<void> List(const Arguments& arguments) {
  INFE_ASSIGN(const auto keys, OpenStore(arguments));
  INFE_ASSIGN(const auto records, keys->List());
  if (arguments.json) {
    Json list = Json::MakeArray();
    for (const auto& record : records) list.push_back(ToJson(record));
    fmt::print("{}\n", Json(Json::Object{{"keys", list}}).Dump());
    return {};
  }
  if (records.empty()) fmt::print("No keys yet. Make one with: infe keys create --name NAME\n");
  for (const auto& r : records) {
    const bool expired = r.expires_at != 0 && r.expires_at <= std::time(nullptr);
    fmt::print("{}  {:<20} ...{}  made {}  {}\n", r.id, r.name, r.last4, Date(r.created_at),
               r.revoked_at != 0 ? "revoked " + Date(r.revoked_at)
               : expired         ? "expired " + Date(r.expires_at)
                                 : "live");
  }
  return {};
}

Result<void> Revoke(const Arguments& arguments) {
  INFE_ASSIGN(const auto keys, OpenStore(arguments));
  INFE_ASSIGN(const store::KeyRecord record, keys->Revoke(arguments.id));
  if (arguments.json)
    fmt::print("{}\n", ToJson(record).Dump());
  else
    fmt::print("{} ({}) is revoked\n", record.id, record.name);
  return {};
}

}  // namespace

void AddKeys(CommandLine& line) {
  static Arguments a;
  const auto run = [](Result<void> (*action)(const Arguments&)) {
    return [action] {
      auto done = action(a);
      return done ? kExitDone : Fail(done.error());
    };
  };
  Command& keys = line.Add("keys", "Make, list and revoke API keys");
  Command& create = keys.Sub("create", "Make a key; it is shown once");
  create.Option("--name", a.name, "What the key is for")
      .Option("--expires-in-days", a.expires_in_days, "0: never");
  Command& list = keys.Sub("list", "List keys, never their secrets");
  Command& revoke = keys.Sub("revoke", "End a key, at once and for good");
  revoke.Argument("ID", a.id, "The key's id or its name", true);
  for (Command* command : {&create, &list, &revoke})
    command->Option("--data-dir", a.data_dir, "Where models and keys are kept")
        .Flag("--json", a.json, "Print JSON");
  create.Run(run(Create));
  list.Run(run(List));
  revoke.Run(run(Revoke));
}

}  // namespace infe::cli

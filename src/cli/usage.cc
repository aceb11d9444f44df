// infe usage: what was used, by whom, out of the ledger; and the ledger's backup. Works on the
// database directly, while a server runs or not.
#include <algorithm>
#include <ctime>

#include <fmt/format.h>

#include "base/json.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/read_config.h"
#include "store/usage_query.h"
#include "store/utc.h"

namespace infe::cli {
namespace {

struct Arguments {
  StorePlace place;
  std::vector<std::string> by = {"day"};
  std::string from = "30d", to;
  std::vector<std::string> keys, projects, models, users, upstreams;
  std::string file;
  bool json = false, csv = false;
};

// "day,model" or --by day --by model: one width of time at most, any groups.
Result<void> ParseBy(const std::vector<std::string>& words, store::UsageQuery& query) {
  using store::BucketWidth;
  using store::UsageGroup;
  query.width = BucketWidth::kAll;
  for (const std::string& list : words) {
    for (size_t from = 0; from <= list.size();) {
      const size_t end = std::min(list.find(',', from), list.size());
      const std::string word = list.substr(from, end - from);
      from = end + 1;
      const BucketWidth width = word == "minute" ? BucketWidth::kMinute
                                : word == "hour" ? BucketWidth::kHour
                                : word == "day"  ? BucketWidth::kDay
                                                 : BucketWidth::kAll;
      if (width != BucketWidth::kAll) {
        if (query.width != BucketWidth::kAll)
          return InvalidArgument("--by takes one of minute, hour and day, not two");
        query.width = width;
      } else if (word == "key") {
        query.group_by.push_back(UsageGroup::kKey);
      } else if (word == "project") {
        query.group_by.push_back(UsageGroup::kProject);
      } else if (word == "model") {
        query.group_by.push_back(UsageGroup::kModel);
      } else if (word == "account") {
        query.group_by.push_back(UsageGroup::kAccount);
      } else if (word == "user") {
        query.group_by.push_back(UsageGroup::kEndUser);
      } else if (word == "upstream") {
        query.group_by.push_back(UsageGroup::kUpstream);
      } else {
        return InvalidArgument(fmt::format(
            "--by {}: it is minute, hour, day, key, account, project, model, user or upstream, or "
            "several with commas",
            word));
      }
    }
  }
  return {};
}

Result<store::UsageQuery> QueryOf(const Arguments& arguments) {
  const int64_t now = std::time(nullptr);
  store::UsageQuery query;
  INFE_TRY(ParseBy(arguments.by, query));
  INFE_ASSIGN(query.from, store::ParseTime(arguments.from, now));
  if (!arguments.to.empty()) {
    INFE_ASSIGN(query.to, store::ParseTime(arguments.to, now));
    if (query.to <= query.from)
      return InvalidArgument(fmt::format("--to {} is not after --from {}: there is nothing between",
                                         arguments.to, arguments.from));
  }
  query.keys = arguments.keys;
  query.projects = arguments.projects;
  query.models = arguments.models;
  query.end_users = arguments.users;
  query.upstreams = arguments.upstreams;
  return query;
}

Json ToJson(const store::UsageSum& sum, const store::UsageQuery& query) {
  Json json = Json::MakeObject();
  if (query.width != store::BucketWidth::kAll) {
    json.set("start", sum.bucket_start);
    json.set("end", sum.bucket_start + static_cast<int64_t>(query.width));
  }
  for (const store::UsageGroup group : query.group_by) {
    switch (group) {
      case store::UsageGroup::kProject:
        json.set("project", sum.project);
        break;
      case store::UsageGroup::kKey:
        json.set("key_id", sum.key_id);
        break;
      case store::UsageGroup::kAccount:
        json.set("account", sum.account);
        break;
      case store::UsageGroup::kModel:
        json.set("model", sum.model);
        break;
      case store::UsageGroup::kServiceTier:
        json.set("service_tier", sum.service_tier);
        break;
      case store::UsageGroup::kEndUser:
        json.set("user", sum.end_user);
        break;
      case store::UsageGroup::kUpstream:
        json.set("upstream", sum.upstream);
        break;
    }
  }
  json.set("requests", sum.requests);
  json.set("prompt_tokens", sum.prompt_tokens);
  json.set("cached_tokens", sum.cached_tokens);
  json.set("completion_tokens", sum.completion_tokens);
  json.set("failed", sum.failed);
  json.set("recovered", sum.recovered);
  json.set("open", sum.open);
  return json;
}

// Of a line whose groups are all empty.
const char* NobodysLabel(const store::UsageQuery& query) {
  if (query.group_by.empty()) return "all";
  return query.group_by == std::vector{store::UsageGroup::kUpstream} ? "(here)" : "(no key)";
}

void PrintTable(const std::vector<store::UsageSum>& sums, const store::UsageQuery& query) {
  if (sums.empty()) {
    fmt::print("No usage in this time.\n");
    return;
  }
  fmt::print("{:<45} {:>9} {:>12} {:>12} {:>12} {:>7} {:>5}\n", "", "requests", "prompt", "cached",
             "completion", "failed", "open");
  for (const store::UsageSum& sum : sums) {
    std::string label;
    if (query.width != store::BucketWidth::kAll)
      label = store::Rfc3339(sum.bucket_start)
                  .substr(0, query.width == store::BucketWidth::kDay ? 10 : 16);
    for (const std::string* part :
         {&sum.project, &sum.account, &sum.key_id, &sum.model, &sum.end_user, &sum.upstream})
      if (!part->empty()) label += (label.empty() ? "" : " ") + *part;
    if (label.empty()) label = NobodysLabel(query);
    fmt::print("{:<45} {:>9} {:>12} {:>12} {:>12} {:>7} {:>5}\n", label, sum.requests,
               sum.prompt_tokens, sum.cached_tokens, sum.completion_tokens, sum.failed, sum.open);
  }
}

Result<std::unique_ptr<store::UsageReader>> OpenReader(const Arguments& arguments,
                                                       const Command& command) {
  INFE_ASSIGN(const StorePlace place, FindStore(command, arguments.place));
  INFE_ASSIGN(const store::DataDir dir, store::OpenDataDir(place.data_dir));
  return store::UsageReader::Open(dir, place.store_url);
}

Result<void> Show(const Arguments& arguments, const Command& command) {
  if (arguments.json && arguments.csv)
    return InvalidArgument("--json and --csv exclude each other");
  INFE_ASSIGN(const store::UsageQuery query, QueryOf(arguments));
  INFE_ASSIGN(const auto reader, OpenReader(arguments, command));
  INFE_ASSIGN(const store::UsagePage page, reader->Sums(query));
  if (arguments.csv) {
    fmt::print("{}", store::ToCsv(page.sums));
  } else if (arguments.json) {
    Json list = Json::MakeArray();
    for (const store::UsageSum& sum : page.sums) list.push_back(ToJson(sum, query));
    fmt::print("{}\n", Json(Json::Object{{"usage", list}}).Dump());
  } else {
    PrintTable(page.sums, query);
  }
  return {};
}

Result<void> Backup(const Arguments& arguments, const Command& command) {
  INFE_ASSIGN(const auto reader, OpenReader(arguments, command));
  INFE_TRY(reader->Backup(arguments.file));
  if (arguments.json)
    fmt::print("{}\n", Json(Json::Object{{"backup", arguments.file}}).Dump());
  else
    fmt::print("{} holds the keys and the usage; keep the file pepper of the data folder with it\n",
               arguments.file);
  return {};
}

Result<void> AcceptClock(const Arguments& arguments, const Command& command) {
  INFE_ASSIGN(const auto reader, OpenReader(arguments, command));
  INFE_ASSIGN(const int64_t later, reader->AcceptClock(std::time(nullptr)));
  if (arguments.json)
    fmt::print("{}\n", Json(Json::Object{{"requests", later}}).Dump());
  else
    fmt::print(
        "It is {}. {} requests of later times count towards no quota any more; servers take "
        "the clock over at their next start\n",
        store::Rfc3339(std::time(nullptr)), later);
  return {};
}

}  // namespace

void AddUsage(CommandLine& line) {
  static Arguments a;
  const auto set_up = [](Command& command,
                         Result<void> (*action)(const Arguments&, const Command&)) {
    AddStorePlace(command, a.place);
    command.Flag("--json", a.json, "Print JSON").Run([action, &command] {
      const auto done = action(a, command);
      if (done) return kExitDone;
      return done.error().code == ErrorCode::kInvalidArgument ? FailUsage(done.error().message)
                                                              : Fail(done.error());
    });
  };
  Command& usage = line.Add("usage", "What was used: requests and tokens by day, key, model");
  usage
      .Option("--by", a.by,
              "day, hour or minute, key, account, project, model, user, upstream; several with "
              "commas")
      .Option("--from", a.from, "Since then: 2026-11-01, 2026-11-01T12:00 (UTC), or an age (7d)")
      .Option("--to", a.to, "Before then; default: now")
      .Option("--key", a.keys, "Only this key's id; may be repeated")
      .Option("--only-project,--project", a.projects, "Only this project; may be repeated")
      .Option("--only-model,--model", a.models, "Only this model; may be repeated")
      .Option("--user", a.users,
              "Only of this end user, as requests name it (safety_identifier, else user); may be "
              "repeated")
      .Option("--upstream", a.upstreams,
              "Only what this other server answered (docs/gateway.md); may be repeated")
      .Flag("--csv", a.csv, "Print CSV")
      .Footer(
          "Example: infe usage --by day,model --from 7d --csv\nopen: running now. docs/ledger.md "
          "tells how usage is recorded.");
  set_up(usage, Show);
  Command& backup = usage.Sub("backup", "A whole copy of keys and usage, while a server runs");
  backup.Argument("FILE", a.file, "The new file", true);
  set_up(backup, Backup);
  Command& clock = usage.Sub("accept-clock",
                             "The clock is right, and what was recorded of later "
                             "times was not");
  set_up(clock, AcceptClock);
  usage.SubIsOptional();
}

}  // namespace infe::cli

#include "store/project_store.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/json.h"
#include "base/random.h"
#include "base/sha256.h"
#include "store/database.h"

namespace infe::store {
namespace {

constexpr size_t kNameMax = 200;

std::string NewProjectId() {
  uint8_t bytes[12];
  FillRandom(bytes, sizeof bytes);
  return "proj_" + ToHex(bytes);
}

Result<void> ValidateName(const std::string& name) {
  if (name.empty() || name.size() > kNameMax)
    return InvalidArgument(fmt::format("a project's name has 1 to {} bytes", kNameMax), "name");
  return {};
}

AuditEntry EntryOf(const char* event, const std::string& project, const std::string& target,
                   int64_t now, const ChangeBy& by, const Json& detail) {
  AuditEntry entry;
  entry.at = now;
  entry.event = event;
  entry.actor = by.actor;
  entry.address = by.address;
  entry.project = project;
  entry.target = target;
  entry.detail = detail.Dump();
  return entry;
}

Error Missing(const std::string& id) {
  return NotFound(fmt::format("there is no project {}", id));
}

}  // namespace

Result<std::unique_ptr<ProjectStore>> ProjectStore::Open(const DataDir& dir,
                                                         const std::string& url) {
  INFE_ASSIGN(std::unique_ptr<SqlConnection> database, OpenDatabase(dir, url));
  std::unique_ptr<ProjectStore> store(new ProjectStore(std::move(database)));
  INFE_TRY(store->Refresh());
  return store;
}

Result<void> ProjectStore::FinishLocked(SqlTransaction& transaction, AuditEntry entry) {
  INFE_TRY(AppendAudit(*database_, std::move(entry)));
  INFE_TRY(database_->Query(
      "UPDATE store_counter SET value = value + 1 WHERE name = 'project_generation'"));
  INFE_TRY(transaction.Commit());
  return ReloadLocked();
}

Result<ProjectRecord> ProjectStore::Create(const std::string& name, int64_t now,
                                           const ChangeBy& by) {
  INFE_TRY(ValidateName(name));
  const ProjectRecord made{NewProjectId(), name, now, 0};
  const std::lock_guard lock(database_mutex_);
  INFE_ASSIGN(SqlTransaction transaction, SqlTransaction::Begin(*database_));
  INFE_TRY(database_->Query("INSERT INTO project (id, name, created_at) VALUES ($1, $2, $3)",
                            {made.id, made.name, made.created_at}));
  const Json detail = Json::Object{{"data", Json::Object{{"name", name}, {"title", name}}}};
  INFE_TRY(
      FinishLocked(transaction, EntryOf("project.created", made.id, made.id, now, by, detail)));
  return made;
}

Result<ProjectRecord> ProjectStore::ActiveLocked(const std::string& id) {
  INFE_ASSIGN(const SqlRows rows,
              database_->Query(
                  "SELECT id, name, created_at, archived_at FROM project WHERE id = $1", {id}));
  if (rows.empty()) return Missing(id);
  if (rows.Int(0, 3) != 0) return InvalidArgument(fmt::format("the project {} is archived", id));
  return ProjectRecord{rows.Text(0, 0), rows.Text(0, 1), rows.Int(0, 2), 0};
}

Result<ProjectRecord> ProjectStore::Rename(const std::string& id, const std::string& name,
                                           int64_t now, const ChangeBy& by) {
  INFE_TRY(ValidateName(name));
  const std::lock_guard lock(database_mutex_);
  INFE_ASSIGN(SqlTransaction transaction, SqlTransaction::Begin(*database_));
  INFE_ASSIGN(ProjectRecord record, ActiveLocked(id));
  INFE_TRY(database_->Query("UPDATE project SET name = $1 WHERE id = $2", {name, id}));
  const auto named = [](const std::string& text) {
    return Json(Json::Object{{"name", text}, {"title", text}});
  };
  const Json detail =
      Json::Object{{"changes_requested", named(name)}, {"changes_from", named(record.name)}};
  INFE_TRY(FinishLocked(transaction, EntryOf("project.updated", id, id, now, by, detail)));
  record.name = name;
  return record;
}

Result<ProjectRecord> ProjectStore::Archive(const std::string& id, int64_t now,
                                            const ChangeBy& by) {
  const std::lock_guard lock(database_mutex_);
  INFE_ASSIGN(SqlTransaction transaction, SqlTransaction::Begin(*database_));
  INFE_ASSIGN(ProjectRecord record, ActiveLocked(id));
  INFE_TRY(database_->Query("UPDATE project SET archived_at = $1 WHERE id = $2", {now, id}));
  const Json detail = Json::Object{{"changes_requested", Json::Object{{"status", "archived"}}},
                                   {"changes_from", Json::Object{{"status", "active"}}}};
  INFE_TRY(FinishLocked(transaction, EntryOf("project.archived", id, id, now, by, detail)));
  record.archived_at = now;
  return record;
}

Result<KeyLimits> ProjectStore::SetLimits(const std::string& id, const std::string& model,
                                          const ProjectLimitChange& change, int64_t now,
                                          const ChangeBy& by) {
  const std::lock_guard lock(database_mutex_);
  INFE_ASSIGN(SqlTransaction transaction, SqlTransaction::Begin(*database_));
  INFE_TRY(ActiveLocked(id));
  INFE_ASSIGN(const SqlRows rows,
              database_->Query("SELECT requests_per_minute, tokens_per_minute, requests_per_day"
                               " FROM project_limit WHERE project = $1 AND model = $2",
                               {id, model}));
  KeyLimits limits;
  if (!rows.empty()) {
    limits.requests_per_minute = rows.Int(0, 0);
    limits.tokens_per_minute = rows.Int(0, 1);
    limits.requests_per_day = rows.Int(0, 2);
  }
  Json to = Json::MakeObject(), from = Json::MakeObject();
  const auto take = [&](const char* name, const std::optional<int64_t>& value, int64_t& limit) {
    if (!value) return;
    to.set(name, *value);
    from.set(name, std::exchange(limit, *value));
  };
  // Under OpenAI's names.
  take("max_requests_per_1_minute", change.requests_per_minute, limits.requests_per_minute);
  take("max_tokens_per_1_minute", change.tokens_per_minute, limits.tokens_per_minute);
  take("max_requests_per_1_day", change.requests_per_day, limits.requests_per_day);
  if (limits.requests_per_minute < 0 || limits.tokens_per_minute < 0 || limits.requests_per_day < 0)
    return InvalidArgument("a limit cannot be negative");
  INFE_TRY(database_->Query(
      "INSERT INTO project_limit (project, model, requests_per_minute, tokens_per_minute,"
      " requests_per_day) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (project, model) DO UPDATE SET"
      " requests_per_minute = excluded.requests_per_minute,"
      " tokens_per_minute = excluded.tokens_per_minute,"
      " requests_per_day = excluded.requests_per_day",
      {id, model, limits.requests_per_minute, limits.tokens_per_minute, limits.requests_per_day}));
  const Json detail =
      Json::Object{{"changes_requested", std::move(to)}, {"changes_from", std::move(from)}};
  INFE_TRY(
      FinishLocked(transaction, EntryOf("rate_limit.updated", id, "rl-" + model, now, by, detail)));
  return limits;
}

std::shared_ptr<const ProjectStore::View> ProjectStore::view() const {
  const std::lock_guard lock(view_mutex_);
  return view_;
}

std::vector<ProjectRecord> ProjectStore::List() const {
  return view()->projects;
}

Result<ProjectRecord> ProjectStore::Get(const std::string& id) const {
  const auto held = view();
  const auto found = std::find_if(held->projects.begin(), held->projects.end(),
                                  [&](const ProjectRecord& p) { return p.id == id; });
  if (found == held->projects.end()) return Missing(id);
  return *found;
}

bool ProjectStore::IsArchived(const std::string& id) const {
  return view()->archived.contains(id);
}

KeyLimits ProjectStore::LimitsOf(const std::string& id, const std::string& model) const {
  const auto held = view();
  const auto found = held->limits.find({id, model});
  return found == held->limits.end() ? KeyLimits{} : found->second;
}

Result<void> ProjectStore::Refresh() {
  const std::lock_guard lock(database_mutex_);
  // Keys count too: they may name a project that nobody has made.
  INFE_ASSIGN(const SqlRows rows, Read(*database_,
                                       "SELECT name, value FROM store_counter WHERE name IN"
                                       " ('project_generation', 'key_generation') ORDER BY name"));
  const std::pair<int64_t, int64_t> generation{rows.size() > 0 ? rows.Int(0, 1) : 0,
                                               rows.size() > 1 ? rows.Int(1, 1) : 0};
  if (generation == generation_) return {};
  INFE_TRY(database_->Query(
      "INSERT INTO project (id, name, created_at) SELECT project, project, min(created_at)"
      " FROM api_key WHERE project <> '' AND project NOT IN (SELECT id FROM project)"
      " GROUP BY project ON CONFLICT DO NOTHING"));
  INFE_TRY(ReloadLocked());
  generation_ = generation;
  return {};
}

Result<void> ProjectStore::ReloadLocked() {
  auto fresh = std::make_shared<View>();
  INFE_ASSIGN(const SqlRows projects,
              database_->Query("SELECT id, name, created_at, archived_at FROM project"
                               " ORDER BY created_at, id"));
  for (size_t i = 0; i < projects.size(); ++i) {
    fresh->projects.push_back(
        {projects.Text(i, 0), projects.Text(i, 1), projects.Int(i, 2), projects.Int(i, 3)});
    if (projects.Int(i, 3) != 0) fresh->archived[projects.Text(i, 0)] = projects.Int(i, 3);
  }
  INFE_ASSIGN(const SqlRows limits,
              database_->Query("SELECT project, model, requests_per_minute, tokens_per_minute,"
                               " requests_per_day FROM project_limit"));
  for (size_t i = 0; i < limits.size(); ++i) {
    KeyLimits& of = fresh->limits[{limits.Text(i, 0), limits.Text(i, 1)}];
    of.requests_per_minute = limits.Int(i, 2);
    of.tokens_per_minute = limits.Int(i, 3);
    of.requests_per_day = limits.Int(i, 4);
  }
  const std::lock_guard lock(view_mutex_);
  view_ = std::move(fresh);
  return {};
}

}  // namespace infe::store

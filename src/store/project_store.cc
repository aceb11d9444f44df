#include "store/project_store.h"

#include <algorithm>

#include <fmt/format.h>

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

Result<ProjectRecord> ProjectStore::Create(const std::string& name, int64_t now) {
  INFE_TRY(ValidateName(name));
  const ProjectRecord made{NewProjectId(), name, now, 0};
  const std::lock_guard lock(database_mutex_);
  INFE_TRY(database_->Query("INSERT INTO project (id, name, created_at) VALUES ($1, $2, $3)",
                            {made.id, made.name, made.created_at}));
  INFE_TRY(BumpAndReloadLocked());
  return made;
}

Result<ProjectRecord> ProjectStore::ActiveLocked(const std::string& id) {
  INFE_ASSIGN(ProjectRecord record, Get(id));
  if (record.archived_at != 0)
    return InvalidArgument(fmt::format("the project {} is archived", id));
  return record;
}

Result<ProjectRecord> ProjectStore::Rename(const std::string& id, const std::string& name) {
  INFE_TRY(ValidateName(name));
  const std::lock_guard lock(database_mutex_);
  INFE_TRY(ActiveLocked(id));
  INFE_TRY(database_->Query("UPDATE project SET name = $1 WHERE id = $2", {name, id}));
  INFE_TRY(BumpAndReloadLocked());
  return Get(id);
}

Result<ProjectRecord> ProjectStore::Archive(const std::string& id, int64_t now) {
  const std::lock_guard lock(database_mutex_);
  INFE_TRY(ActiveLocked(id));
  INFE_TRY(database_->Query("UPDATE project SET archived_at = $1 WHERE id = $2", {now, id}));
  INFE_TRY(BumpAndReloadLocked());
  return Get(id);
}

Result<void> ProjectStore::SetLimits(const std::string& id, const std::string& model,
                                     const KeyLimits& limits) {
  if (limits.requests_per_minute < 0 || limits.tokens_per_minute < 0 || limits.requests_per_day < 0)
    return InvalidArgument("a limit cannot be negative");
  const std::lock_guard lock(database_mutex_);
  INFE_TRY(ActiveLocked(id));
  INFE_TRY(database_->Query(
      "INSERT INTO project_limit (project, model, requests_per_minute, tokens_per_minute,"
      " requests_per_day) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (project, model) DO UPDATE SET"
      " requests_per_minute = excluded.requests_per_minute,"
      " tokens_per_minute = excluded.tokens_per_minute,"
      " requests_per_day = excluded.requests_per_day",
      {id, model, limits.requests_per_minute, limits.tokens_per_minute, limits.requests_per_day}));
  return BumpAndReloadLocked();
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
  INFE_ASSIGN(const SqlRows rows,
              database_->Query("SELECT name, value FROM store_counter WHERE name IN"
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

Result<void> ProjectStore::BumpAndReloadLocked() {
  INFE_TRY(database_->Query(
      "UPDATE store_counter SET value = value + 1 WHERE name = 'project_generation'"));
  return ReloadLocked();
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

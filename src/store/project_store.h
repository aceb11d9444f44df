// Projects: what keys belong to, whose prefix cache and fair share are one, and which may have rate
// limits of their own beside those of its keys, by model, as OpenAI's projects have.
//
// Look-ups are answered from memory. Refresh reads the database anew when somebody, in this process
// or another, has changed a project; App calls it every second.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/audit_log.h"
#include "store/data_dir.h"
#include "store/key_record.h"
#include "store/sql.h"

namespace infe::store {

struct ProjectRecord {
  std::string id;  // proj_..., or a name that a key was made with
  std::string name;
  int64_t created_at = 0;   // Unix seconds
  int64_t archived_at = 0;  // 0: active
};

// What is to be new of a project's limits for a model; what is absent stays. 0: no limit.
struct ProjectLimitChange {
  std::optional<int64_t> requests_per_minute, tokens_per_minute, requests_per_day;
};

class ProjectStore {
 public:
  // Opens or makes the database of `url` (store/database.h).
  static Result<std::unique_ptr<ProjectStore>> Open(const DataDir& dir,
                                                    const std::string& url = {});

  // Thread-safe, all of them. Those that change something return when the change is durable and in
  // this process's view, each with its entry in the audit log, in one transaction. now: Unix
  // seconds.
  Result<ProjectRecord> Create(const std::string& name, int64_t now, const ChangeBy& by);
  Result<ProjectRecord> Rename(const std::string& id, const std::string& name, int64_t now,
                               const ChangeBy& by);
  // Its keys stop working. For good: an archived project is not changed any more.
  Result<ProjectRecord> Archive(const std::string& id, int64_t now, const ChangeBy& by);
  // The limits as they are then.
  Result<KeyLimits> SetLimits(const std::string& id, const std::string& model,
                              const ProjectLimitChange& change, int64_t now, const ChangeBy& by);

  // Oldest first. Projects that keys name and nobody made are among them.
  std::vector<ProjectRecord> List() const;
  Result<ProjectRecord> Get(const std::string& id) const;  // NotFound
  bool IsArchived(const std::string& id) const;
  KeyLimits LimitsOf(const std::string& id, const std::string& model) const;

  Result<void> Refresh();

 private:
  struct View {
    std::vector<ProjectRecord> projects;
    std::map<std::pair<std::string, std::string>, KeyLimits> limits;  // by project and model
    std::map<std::string, int64_t> archived;                          // by id
  };
  explicit ProjectStore(std::unique_ptr<SqlConnection> database)
      : database_(std::move(database)), view_(std::make_shared<const View>()) {}
  std::shared_ptr<const View> view() const;
  // The row, as the database has it: InvalidArgument if it is archived.
  Result<ProjectRecord> ActiveLocked(const std::string& id);
  Result<void> ReloadLocked();
  // Ends a change: entry, generation, commit, view.
  Result<void> FinishLocked(SqlTransaction& transaction, AuditEntry entry);

  std::mutex database_mutex_;
  std::unique_ptr<SqlConnection> database_;  // guarded by database_mutex_, as is
  std::pair<int64_t, int64_t> generation_{-1, -1};
  mutable std::mutex view_mutex_;
  std::shared_ptr<const View> view_;  // guarded by view_mutex_; shared: look-ups outlive a reload
};

}  // namespace infe::store

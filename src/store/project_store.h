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
#include <string>
#include <vector>

#include "base/result.h"
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

class ProjectStore {
 public:
  // Opens or makes the database of `url` (store/database.h).
  static Result<std::unique_ptr<ProjectStore>> Open(const DataDir& dir,
                                                    const std::string& url = {});

  // Thread-safe, all of them. Those that change something return when the change is durable and in
  // this process's view.
  Result<ProjectRecord> Create(const std::string& name, int64_t now);
  Result<ProjectRecord> Rename(const std::string& id, const std::string& name);
  // Its keys stop working. For good: an archived project is not changed any more.
  Result<ProjectRecord> Archive(const std::string& id, int64_t now);
  // 0 in requests_per_minute, tokens_per_minute, requests_per_day: no limit. Other limits are not a
  // project's.
  Result<void> SetLimits(const std::string& id, const std::string& model, const KeyLimits& limits);

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
  Result<ProjectRecord> ActiveLocked(const std::string& id);
  Result<void> ReloadLocked();
  Result<void> BumpAndReloadLocked();

  std::mutex database_mutex_;
  std::unique_ptr<SqlConnection> database_;  // guarded by database_mutex_, as is
  std::pair<int64_t, int64_t> generation_{-1, -1};
  mutable std::mutex view_mutex_;
  std::shared_ptr<const View> view_;  // guarded by view_mutex_; shared: look-ups outlive a reload
};

}  // namespace infe::store

// The audit log: who changed what, append-only. Each entry holds a hash over itself and the hash of
// the one before it, so that one which was changed, removed or put between others shows.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "store/data_dir.h"
#include "store/sql.h"

namespace infe::store {

// Who changes something.
struct ChangeBy {
  ChangeBy(std::string who, std::string from = {})  // NOLINT: "cli" is somebody
      : actor(std::move(who)), address(std::move(from)) {}
  ChangeBy(const char* who) : actor(who) {}  // NOLINT
  std::string actor;                         // an admin key's id, "cli", "first"
  std::string address;                       // of the client, or empty
};

struct AuditEntry {
  int64_t number = 0;   // 1, 2, ... without gaps
  int64_t at = 0;       // Unix seconds
  std::string event;    // OpenAI's names: api_key.created, project.archived, rate_limit.updated
  std::string actor;    // of ChangeBy
  std::string address;  // of the client
  std::string project;  // or empty
  std::string target;   // the id of what was changed
  // A JSON object without secrets: "data" of what was made, "changes_requested" and "changes_from"
  // of what was changed, every field asked for with its new and its old value. (Entries of before
  // version 5 of the schema have fields at once.)
  std::string detail;
  std::string hash;  // hex, over all of the above and the hash before
};

struct AuditQuery {
  std::vector<std::string> events = {}, actors = {}, projects = {}, targets = {};  // empty: all
  int64_t from = 0, to = 0;  // Unix seconds, inclusive and exclusive; 0: open
  int64_t before = 0;        // only entries with a smaller number; 0: from the newest
  size_t limit = 20;
};

// In the caller's transaction, with the change that it tells of: the one is never there without the
// other. Others that append wait until the transaction ends.
Result<AuditEntry> AppendAudit(SqlConnection& database, AuditEntry entry);

class AuditLog {
 public:
  static Result<std::unique_ptr<AuditLog>> Open(const DataDir& dir, const std::string& url = {});

  // Thread-safe, all of them.
  // In a transaction of its own, durable when it returns. number and hash are filled in.
  Result<AuditEntry> Append(AuditEntry entry);
  // Newest first.
  Result<std::vector<AuditEntry>> List(const AuditQuery& query);
  // The first entry whose hash does not fit; 0: all fit. What was cut off at the end does not show.
  Result<int64_t> FirstBroken();

 private:
  explicit AuditLog(std::unique_ptr<SqlConnection> database) : database_(std::move(database)) {}
  std::mutex mutex_;
  std::unique_ptr<SqlConnection> database_;  // guarded by mutex_
};

}  // namespace infe::store

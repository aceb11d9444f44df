#include "store/audit_log.h"

#include <fmt/format.h>

#include "base/sha256.h"
#include "store/database.h"

namespace infe::store {
namespace {

constexpr const char* kColumns = "number, at, event, actor, address, project, target, detail, hash";
// Any number that nobody else uses (schema.cc has another): PostgreSQL's lock of the log's end.
constexpr int64_t kAppendLock = 0x696E6661;

std::string HashOf(const AuditEntry& e, const std::string& before) {
  // Lengths before texts: no two entries are one text.
  std::string text = fmt::format("{}\n{}\n{}\n", before, e.number, e.at);
  for (const std::string* field :
       {&e.event, &e.actor, &e.address, &e.project, &e.target, &e.detail})
    text += fmt::format("{}:{}\n", field->size(), *field);
  Sha256 sha;
  sha.Update(text);
  return ToHex(sha.Finish());
}

AuditEntry ReadEntry(const SqlRows& rows, size_t i) {
  return {rows.Int(i, 0),  rows.Int(i, 1),  rows.Text(i, 2), rows.Text(i, 3), rows.Text(i, 4),
          rows.Text(i, 5), rows.Text(i, 6), rows.Text(i, 7), rows.Text(i, 8)};
}

}  // namespace

Result<std::unique_ptr<AuditLog>> AuditLog::Open(const DataDir& dir, const std::string& url) {
  INFE_ASSIGN(std::unique_ptr<SqlConnection> database, OpenDatabase(dir, url));
  return std::unique_ptr<AuditLog>(new AuditLog(std::move(database)));
}

Result<AuditEntry> AppendAudit(SqlConnection& database, AuditEntry entry) {
  // SQLite's transactions have the write lock from their begin on.
  if (database.dialect() == SqlDialect::kPostgres)
    INFE_TRY(database.Script(fmt::format("SELECT pg_advisory_xact_lock({})", kAppendLock)));
  INFE_ASSIGN(const SqlRows last,
              database.Query("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1"));
  entry.number = last.empty() ? 1 : last.Int(0, 0) + 1;
  entry.hash = HashOf(entry, last.empty() ? std::string() : last.Text(0, 1));
  INFE_TRY(database.Query(
      fmt::format("INSERT INTO audit ({}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)", kColumns),
      {entry.number, entry.at, entry.event, entry.actor, entry.address, entry.project, entry.target,
       entry.detail, entry.hash}));
  return entry;
}

Result<AuditEntry> AuditLog::Append(AuditEntry entry) {
  const std::lock_guard lock(mutex_);
  INFE_ASSIGN(SqlTransaction transaction, SqlTransaction::Begin(*database_));
  INFE_ASSIGN(AuditEntry appended, AppendAudit(*database_, std::move(entry)));
  INFE_TRY(transaction.Commit());
  return appended;
}

Result<std::vector<AuditEntry>> AuditLog::List(const AuditQuery& query) {
  const auto matches = [](const std::vector<std::string>& wanted, const std::string& value) {
    if (wanted.empty()) return true;
    for (const std::string& one : wanted)
      if (one == value) return true;
    return false;
  };
  // Read in pages and filtered here: the log of an administration is short.
  constexpr int64_t kPage = 500;
  std::vector<AuditEntry> entries;
  const std::lock_guard lock(mutex_);
  int64_t before = query.before > 0 ? query.before : INT64_MAX;
  for (;;) {
    INFE_ASSIGN(const SqlRows rows, Read(*database_,
                                         fmt::format("SELECT {} FROM audit WHERE number < $1"
                                                     " ORDER BY number DESC LIMIT {}",
                                                     kColumns, kPage),
                                         {before}));
    for (size_t i = 0; i < rows.size(); ++i) {
      AuditEntry entry = ReadEntry(rows, i);
      before = entry.number;
      const bool in_time = entry.at >= query.from && (query.to == 0 || entry.at < query.to);
      if (!in_time || !matches(query.events, entry.event) || !matches(query.actors, entry.actor) ||
          !matches(query.projects, entry.project) || !matches(query.targets, entry.target))
        continue;
      entries.push_back(std::move(entry));
      if (entries.size() == query.limit) return entries;
    }
    if (rows.size() < static_cast<size_t>(kPage)) return entries;
  }
}

Result<int64_t> AuditLog::FirstBroken() {
  const std::lock_guard lock(mutex_);
  INFE_ASSIGN(const SqlRows rows,
              Read(*database_, fmt::format("SELECT {} FROM audit ORDER BY number", kColumns)));
  std::string before;
  for (size_t i = 0; i < rows.size(); ++i) {
    const AuditEntry entry = ReadEntry(rows, i);
    if (entry.number != static_cast<int64_t>(i) + 1 || entry.hash != HashOf(entry, before))
      return static_cast<int64_t>(i) + 1;
    before = entry.hash;
  }
  return 0;
}

}  // namespace infe::store

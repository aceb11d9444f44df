#include "store/sqlite.h"

#include <cerrno>
#include <cstring>
#include <unordered_map>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

namespace infe::store {
namespace {

// How long a statement waits for another process's lock. Writers hold it for a group commit at
// most.
constexpr int kBusyTimeoutMs = 5000;

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using DatabaseHandle = std::unique_ptr<sqlite3, CloseDatabase>;
using StatementHandle = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

Error SqliteError(sqlite3* database, std::string_view what) {
  Error error = IoError(
      fmt::format("{}: {}", what, database != nullptr ? sqlite3_errmsg(database) : "no database"));
  switch (database != nullptr ? sqlite3_errcode(database) : SQLITE_NOMEM) {
    case SQLITE_CONSTRAINT:
      error.code = ErrorCode::kAlreadyExists;
      break;
    case SQLITE_FULL:
      error.code = ErrorCode::kResourceExhausted;
      break;
    case SQLITE_BUSY:
      error.code = ErrorCode::kUnavailable;
      break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      error.code = ErrorCode::kCorrupt;
      break;
    default:
      break;
  }
  return error;
}

enum class IfMissing { kCreate, kFail };

Result<DatabaseHandle> OpenHandle(const std::string& path, IfMissing missing) {
  // Made first with our own mode: SQLite would use the umask, and its WAL copies the file's mode.
  // Made only, never opened: closing any descriptor of the file would drop the locks that this
  // process's other connections hold on it (fcntl(2)). Another process would then take itself for
  // the last one and delete the WAL under them, and what they wrote from then on would be lost.
  const bool create = missing == IfMissing::kCreate;
  const int fd = create ? open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
  if (create && fd < 0 && errno != EEXIST)
    return IoError(
        fmt::format("cannot open the database {}: {}; check that its folder exists and "
                    "is writable",
                    path, std::strerror(errno)));
  if (fd >= 0) close(fd);
  sqlite3* raw = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  DatabaseHandle database(raw);
  if (code != SQLITE_OK) return SqliteError(raw, fmt::format("cannot open the database {}", path));
  sqlite3_busy_timeout(raw, kBusyTimeoutMs);
  return database;
}

void Bind(sqlite3_stmt* statement, int index, const SqlValue& value) {
  const auto size = static_cast<int>(value.text.size());
  switch (value.kind) {
    case SqlValue::Kind::kNull:
      sqlite3_bind_null(statement, index);
      break;
    case SqlValue::Kind::kInteger:
      sqlite3_bind_int64(statement, index, value.integer);
      break;
    case SqlValue::Kind::kReal:
      sqlite3_bind_double(statement, index, value.real);
      break;
    case SqlValue::Kind::kText:
      sqlite3_bind_text(statement, index, value.text.data(), size, SQLITE_STATIC);
      break;
    case SqlValue::Kind::kBytes:
      sqlite3_bind_blob(statement, index, value.text.data(), size, SQLITE_STATIC);
      break;
  }
}

SqlValue Column(sqlite3_stmt* statement, int column) {
  const auto bytes = [&] {
    const auto* data = static_cast<const char*>(sqlite3_column_blob(statement, column));
    const auto size = static_cast<size_t>(sqlite3_column_bytes(statement, column));
    return data == nullptr ? std::string() : std::string(data, size);
  };
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
      return int64_t{sqlite3_column_int64(statement, column)};
    case SQLITE_FLOAT:
      return sqlite3_column_double(statement, column);
    case SQLITE_TEXT:
      return bytes();
    case SQLITE_BLOB:
      return SqlBytes{bytes()};
    default:
      return {};
  }
}

class SqliteConnection : public SqlConnection {
 public:
  explicit SqliteConnection(std::string path) : path_(std::move(path)) {}

  SqlDialect dialect() const override { return SqlDialect::kSqlite; }

  Result<void> Script(const std::string& sql) override {
    return Execute(ForDialect(sql, SqlDialect::kSqlite));
  }

  Result<SqlRows> Query(const std::string& sql, const std::vector<SqlValue>& values) override {
    INFE_ASSIGN(sqlite3_stmt* const statement, Prepared(sql));
    for (size_t i = 0; i < values.size(); ++i) Bind(statement, static_cast<int>(i) + 1, values[i]);
    SqlRows answer;
    int code = SQLITE_ROW;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
      auto& row = answer.rows.emplace_back();
      const int columns = sqlite3_column_count(statement);
      for (int i = 0; i < columns; ++i) row.push_back(Column(statement, i));
    }
    std::optional<Error> error;
    if (code != SQLITE_DONE) error = SqliteError(database_.get(), "database statement failed");
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    if (error) return *std::move(error);
    answer.changes = sqlite3_changes64(database_.get());
    return answer;
  }

  Result<void> Begin() override { return Execute("BEGIN IMMEDIATE"); }
  Result<void> Commit() override { return Execute("COMMIT"); }
  void Rollback() override {
    if (database_ && sqlite3_get_autocommit(database_.get()) == 0) (void)Execute("ROLLBACK");
  }
  // Not if the file was removed or replaced: what is written to it now would be lost.
  bool alive() const override { return database_ != nullptr && IdentityOf(path_) == identity_; }

  Result<void> Reconnect() override {
    statements_.clear();
    database_.reset();
    if (opened_ && IdentityOf(path_) == Identity())
      return Error{ErrorCode::kUnavailable,
                   fmt::format("the database {} is gone: put it back, or a backup (infe usage "
                               "backup) in its place, and start infe anew",
                               path_),
                   {}};
    INFE_ASSIGN(database_, OpenHandle(path_, opened_ ? IfMissing::kFail : IfMissing::kCreate));
    identity_ = IdentityOf(path_);
    opened_ = true;
    INFE_TRY(Execute("PRAGMA journal_mode=WAL"));
    INFE_TRY(Execute("PRAGMA synchronous=FULL"));
    return Execute("PRAGMA foreign_keys=ON");
  }

 private:
  Result<void> Execute(const std::string& sql) {
    if (sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
      return SqliteError(database_.get(), "database statement failed");
    return {};
  }

  Result<sqlite3_stmt*> Prepared(const std::string& sql) {
    const auto found = statements_.find(sql);
    if (found != statements_.end()) return found->second.get();
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(database_.get(), sql.data(), static_cast<int>(sql.size()), &raw,
                           nullptr) != SQLITE_OK)
      return SqliteError(database_.get(), "database statement is wrong");
    statements_.emplace(sql, StatementHandle(raw));
    return raw;
  }

  // Device and inode; zeros: there is no such file.
  using Identity = std::pair<dev_t, ino_t>;
  static Identity IdentityOf(const std::string& path) {
    struct stat file{};
    if (stat(path.c_str(), &file) != 0) return {};
    return {file.st_dev, file.st_ino};
  }

  const std::string path_;
  DatabaseHandle database_;
  Identity identity_;
  bool opened_ = false;  // once: the file that is missing then was lost
  std::unordered_map<std::string, StatementHandle> statements_;  // finalized before the database
};

// Pages of one backup step: 4 MiB at the usual page size, between which writers get their turn.
constexpr int kBackupPages = 1024;

Result<void> CopyPages(sqlite3* from, sqlite3* to) {
  sqlite3_backup* backup = sqlite3_backup_init(to, "main", from, "main");
  if (backup == nullptr) return SqliteError(to, "cannot begin the backup");
  int code = SQLITE_OK;
  while (code == SQLITE_OK || code == SQLITE_BUSY || code == SQLITE_LOCKED) {
    code = sqlite3_backup_step(backup, kBackupPages);
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED) sqlite3_sleep(10);
  }
  sqlite3_backup_finish(backup);
  if (code != SQLITE_DONE) return SqliteError(to, "the backup failed");
  return {};
}

Result<void> SyncFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = fd >= 0 && fsync(fd) == 0;
  if (fd >= 0) close(fd);
  if (!synced) return IoError(fmt::format("cannot sync {}: {}", path, std::strerror(errno)));
  return {};
}

}  // namespace

Result<std::unique_ptr<SqlConnection>> OpenSqlite(const std::string& path) {
  auto connection = std::make_unique<SqliteConnection>(path);
  INFE_TRY(connection->Reconnect());
  return std::unique_ptr<SqlConnection>(std::move(connection));
}

Result<void> QuickCheckSqlite(SqlConnection& connection) {
  INFE_ASSIGN(const SqlRows rows, connection.Query("PRAGMA quick_check(1)"));
  if (rows.size() == 1 && rows.Text(0, 0) == "ok") return {};
  return Corrupt(fmt::format(
      "the database is damaged: {}; stop infe and put a backup (infe usage backup) in its place",
      rows.empty() ? "no answer" : rows.Text(0, 0)));
}

Result<void> BackupSqlite(const std::string& from, const std::string& to) {
  struct stat there{};
  if (stat(to.c_str(), &there) == 0)
    return Error{ErrorCode::kAlreadyExists,
                 fmt::format("{} exists already: name a new file, or move it away", to),
                 {}};
  INFE_ASSIGN(const DatabaseHandle source, OpenHandle(from, IfMissing::kFail));
  const std::string aside = to + ".part";
  unlink(aside.c_str());  // of a backup that was killed
  Result<void> done;
  {
    INFE_ASSIGN(const DatabaseHandle target, OpenHandle(aside, IfMissing::kCreate));
    done = CopyPages(source.get(), target.get());
  }
  if (done) done = SyncFile(aside);
  if (done && rename(aside.c_str(), to.c_str()) != 0)
    done = IoError(fmt::format("cannot make {}: {}", to, std::strerror(errno)));
  if (!done) unlink(aside.c_str());
  return done;
}

}  // namespace infe::store

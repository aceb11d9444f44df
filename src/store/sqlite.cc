#include "store/sqlite.h"

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

Error SqliteError(sqlite3* database, std::string_view what) {
  return IoError(
      fmt::format("{}: {}", what, database != nullptr ? sqlite3_errmsg(database) : "no database"));
}

}  // namespace

Statement::Statement(Statement&& other) noexcept {
  *this = std::move(other);
}
Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(statement_, other.statement_);
  std::swap(database_, other.database_);
  return *this;
}
Statement::~Statement() {
  sqlite3_finalize(statement_);
}

Statement& Statement::Bind(int index, std::string_view text) {
  sqlite3_bind_text(statement_, index, text.data(), static_cast<int>(text.size()),
                    SQLITE_TRANSIENT);
  return *this;
}
Statement& Statement::Bind(int index, int64_t value) {
  sqlite3_bind_int64(statement_, index, value);
  return *this;
}
Statement& Statement::Bind(int index, double value) {
  sqlite3_bind_double(statement_, index, value);
  return *this;
}
Statement& Statement::BindBlob(int index, std::string_view bytes) {
  sqlite3_bind_blob(statement_, index, bytes.data(), static_cast<int>(bytes.size()),
                    SQLITE_TRANSIENT);
  return *this;
}
Statement& Statement::BindNull(int index) {
  sqlite3_bind_null(statement_, index);
  return *this;
}

Result<bool> Statement::Step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  Error error = SqliteError(database_, "database statement failed");
  if (code == SQLITE_CONSTRAINT) error.code = ErrorCode::kAlreadyExists;
  return error;
}

Result<void> Statement::Run() {
  for (;;) {
    auto row = Step();
    if (!row) {
      Reset();
      return std::move(row).error();
    }
    if (!*row) break;
  }
  Reset();
  return {};
}

void Statement::Reset() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

int64_t Statement::Int(int column) const {
  return sqlite3_column_int64(statement_, column);
}
double Statement::Real(int column) const {
  return sqlite3_column_double(statement_, column);
}
std::string Statement::Text(int column) const {
  const void* bytes = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return bytes == nullptr ? std::string()
                          : std::string(static_cast<const char*>(bytes), static_cast<size_t>(size));
}
bool Statement::IsNull(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

Result<Database> Database::Open(const std::string& path) {
  // Made first with our own mode: SQLite would use the umask, and its WAL copies the file's mode.
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0)
    return IoError(fmt::format(
        "cannot open the database {}: check that its folder exists and is writable", path));
  close(fd);
  Database database;
  if (sqlite3_open_v2(path.c_str(), &database.database_,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr) != SQLITE_OK)
    return SqliteError(database.database_, fmt::format("cannot open the database {}", path));
  sqlite3_busy_timeout(database.database_, kBusyTimeoutMs);
  INFE_TRY(database.Execute("PRAGMA journal_mode=WAL"));
  INFE_TRY(database.Execute("PRAGMA synchronous=FULL"));
  INFE_TRY(database.Execute("PRAGMA foreign_keys=ON"));
  return database;
}

Database::Database(Database&& other) noexcept {
  *this = std::move(other);
}
Database& Database::operator=(Database&& other) noexcept {
  std::swap(database_, other.database_);
  return *this;
}
Database::~Database() {
  sqlite3_close_v2(database_);
}

Result<void> Database::Execute(const std::string& sql) {
  if (sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
    return SqliteError(database_, "database statement failed");
  return {};
}

Result<Statement> Database::Prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(database_, sql.data(), static_cast<int>(sql.size()), &statement,
                         nullptr) != SQLITE_OK)
    return SqliteError(database_, "database statement is wrong");
  return Statement(statement, database_);
}

int64_t Database::changes() const {
  return sqlite3_changes64(database_);
}

Result<Transaction> Transaction::Begin(Database& database) {
  INFE_TRY(database.Execute("BEGIN IMMEDIATE"));
  return Transaction(database);
}
Transaction::Transaction(Transaction&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)) {}
Transaction::~Transaction() {
  if (database_ != nullptr) (void)database_->Execute("ROLLBACK");
}
Result<void> Transaction::Commit() {
  INFE_TRY(database_->Execute("COMMIT"));
  database_ = nullptr;
  return {};
}

}  // namespace infe::store

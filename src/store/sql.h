// One connection to a database, SQLite's or PostgreSQL's: what the stores are written against. The
// SQL is what both understand; parameters are $1, $2, ... in the order of their first appearance.
// A few words differ and stand in braces in a script: {int}, {real} and {bytes} are types,
// {strict} the table option of SQLite that checks types.
//
// A connection belongs to one thread at a time. A failed statement inside a transaction ends it:
// Rollback, then try again.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace infe::store {

struct SqlBytes {
  std::string bytes;
};

// A cell or a parameter. Not a std::variant: g++ 12 takes its moves for uses of raw memory.
struct SqlValue {
  enum class Kind { kNull, kInteger, kReal, kText, kBytes };

  SqlValue() = default;
  SqlValue(int64_t value) : kind(Kind::kInteger), integer(value) {}           // NOLINT: by design
  SqlValue(double value) : kind(Kind::kReal), real(value) {}                  // NOLINT
  SqlValue(std::string value) : kind(Kind::kText), text(std::move(value)) {}  // NOLINT
  SqlValue(SqlBytes value) : kind(Kind::kBytes), text(std::move(value.bytes)) {}  // NOLINT

  Kind kind = Kind::kNull;
  int64_t integer = 0;
  double real = 0;
  std::string text;  // also of bytes
};

// The rows of an answer, all in memory.
class SqlRows {
 public:
  std::vector<std::vector<SqlValue>> rows;
  int64_t changes = 0;  // rows that an INSERT, UPDATE or DELETE touched

  size_t size() const { return rows.size(); }
  bool empty() const { return rows.empty(); }
  // Columns count from 0. A null reads as 0 or empty.
  int64_t Int(size_t row, size_t column) const;
  double Real(size_t row, size_t column) const;
  std::string Text(size_t row, size_t column) const;  // also of bytes
  bool IsNull(size_t row, size_t column) const;
};

enum class SqlDialect { kSqlite, kPostgres };

class SqlConnection {
 public:
  virtual ~SqlConnection() = default;
  virtual SqlDialect dialect() const = 0;
  // Statements without parameters, one after the other; the words in braces are replaced.
  virtual Result<void> Script(const std::string& sql) = 0;
  // One statement. It is prepared once for each text: keep the number of texts bounded.
  // kAlreadyExists: a constraint was broken. kUnavailable: the connection is gone;
  // kResourceExhausted: the disk is full.
  virtual Result<SqlRows> Query(const std::string& sql,
                                const std::vector<SqlValue>& values = {}) = 0;
  // A transaction that may write; SQLite takes its write lock here.
  virtual Result<void> Begin() = 0;
  virtual Result<void> Commit() = 0;
  virtual void Rollback() = 0;  // no error if there is none
  // Whether the connection can still be used. A lost one is opened again with Reconnect.
  virtual bool alive() const = 0;
  virtual Result<void> Reconnect() = 0;
};

// Rolls back unless committed.
class SqlTransaction {
 public:
  // A connection that was closed while it rested (a failover, a pool, a firewall) is opened again
  // here: nothing of the transaction has been said yet.
  static Result<SqlTransaction> Begin(SqlConnection& connection);
  SqlTransaction(SqlTransaction&& other) noexcept;
  ~SqlTransaction();
  Result<void> Commit();

 private:
  explicit SqlTransaction(SqlConnection& connection) : connection_(&connection) {}
  SqlConnection* connection_;
};

// One statement that only reads, on a connection that is opened again if it turns out to be closed.
Result<SqlRows> Read(SqlConnection& connection, const std::string& sql,
                     const std::vector<SqlValue>& values = {});

// What reads by several statements, likewise. Not in a transaction. read: returns a Result.
template <typename Reader>
auto ReadBy(SqlConnection& connection, const Reader& read) {
  auto result = read();
  if (result || connection.alive() || !connection.Reconnect()) return result;
  return read();
}

// sql with the braces replaced.
std::string ForDialect(std::string sql, SqlDialect dialect);

}  // namespace infe::store

// SQLite behind three small owners: a connection, a prepared statement, a transaction. One
// connection belongs to one thread at a time. Errors carry SQLite's own message.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace infe::store {

class Database;

class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();

  // Parameters count from 1, as in SQLite.
  Statement& Bind(int index, std::string_view text);
  Statement& Bind(int index, int64_t value);
  Statement& Bind(int index, double value);
  Statement& BindBlob(int index, std::string_view bytes);
  Statement& BindNull(int index);

  // True: a row is there. False: done.
  Result<bool> Step();
  // Runs to the end and makes the statement ready for the next use.
  Result<void> Run();
  void Reset();

  // Columns count from 0.
  int64_t Int(int column) const;
  double Real(int column) const;
  std::string Text(int column) const;  // also for blobs
  bool IsNull(int column) const;

 private:
  friend class Database;
  Statement(sqlite3_stmt* statement, sqlite3* database)
      : statement_(statement), database_(database) {}
  sqlite3_stmt* statement_ = nullptr;
  sqlite3* database_ = nullptr;
};

class Database {
 public:
  // Opens or creates the file (0600), in WAL mode with synchronous=FULL and a busy timeout.
  static Result<Database> Open(const std::string& path);
  Database(Database&& other) noexcept;
  Database& operator=(Database&& other) noexcept;
  ~Database();

  Result<void> Execute(const std::string& sql);
  Result<Statement> Prepare(std::string_view sql);
  int64_t changes() const;  // rows changed by the last statement
  sqlite3* handle() const { return database_; }

 private:
  Database() = default;
  sqlite3* database_ = nullptr;
};

// Rolls back unless committed.
class Transaction {
 public:
  static Result<Transaction> Begin(Database& database);
  Transaction(Transaction&& other) noexcept;
  ~Transaction();
  Result<void> Commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;
};

}  // namespace infe::store

#include "store/sql.h"

#include <utility>

namespace infe::store {
namespace {

void ReplaceAll(std::string& text, std::string_view what, std::string_view with) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
}

}  // namespace

int64_t SqlRows::Int(size_t row, size_t column) const {
  const SqlValue& value = rows[row][column];
  return value.kind == SqlValue::Kind::kReal ? static_cast<int64_t>(value.real) : value.integer;
}

double SqlRows::Real(size_t row, size_t column) const {
  const SqlValue& value = rows[row][column];
  return value.kind == SqlValue::Kind::kInteger ? static_cast<double>(value.integer) : value.real;
}

std::string SqlRows::Text(size_t row, size_t column) const {
  return rows[row][column].text;
}

bool SqlRows::IsNull(size_t row, size_t column) const {
  return rows[row][column].kind == SqlValue::Kind::kNull;
}

Result<SqlTransaction> SqlTransaction::Begin(SqlConnection& connection) {
  auto begun = connection.Begin();
  if (!begun && !connection.alive()) {
    INFE_TRY(connection.Reconnect());
    begun = connection.Begin();
  }
  if (!begun) return std::move(begun).error();
  return SqlTransaction(connection);
}
SqlTransaction::SqlTransaction(SqlTransaction&& other) noexcept
    : connection_(std::exchange(other.connection_, nullptr)) {}
SqlTransaction::~SqlTransaction() {
  if (connection_ != nullptr) connection_->Rollback();
}
Result<void> SqlTransaction::Commit() {
  INFE_TRY(connection_->Commit());
  connection_ = nullptr;
  return {};
}

Result<SqlRows> Read(SqlConnection& connection, const std::string& sql,
                     const std::vector<SqlValue>& values) {
  auto rows = connection.Query(sql, values);
  if (rows || connection.alive()) return rows;
  INFE_TRY(connection.Reconnect());
  return connection.Query(sql, values);
}

std::string ForDialect(std::string sql, SqlDialect dialect) {
  const bool sqlite = dialect == SqlDialect::kSqlite;
  ReplaceAll(sql, "{int}", sqlite ? "INTEGER" : "BIGINT");
  ReplaceAll(sql, "{real}", sqlite ? "REAL" : "DOUBLE PRECISION");
  ReplaceAll(sql, "{bytes}", sqlite ? "BLOB" : "BYTEA");
  ReplaceAll(sql, "{strict}", sqlite ? "STRICT" : "");
  return sql;
}

}  // namespace infe::store

#include "store/database.h"

#include <algorithm>

#include <fmt/format.h>

#include "store/pepper.h"
#include "store/postgres.h"
#include "store/schema.h"
#include "store/sqlite.h"

namespace infe::store {

Result<bool> IsPostgresUrl(const std::string& url) {
  if (url.empty()) return false;
  if (url.starts_with("postgresql://") || url.starts_with("postgres://")) return true;
  return InvalidArgument(
      fmt::format("store \"{}\" is neither empty (SQLite in the data folder) nor "
                  "postgresql://USER@HOST/DATABASE",
                  MaskStoreUrl(url)));
}

namespace {

// A pepper is made after the database (key_store.cc), so one beside a database without tables means
// that the database was lost or emptied. It is noted before the tables are made anew.
Result<void> NoteLostDatabase(const DataDir& dir, SqlConnection& connection) {
  INFE_ASSIGN(const SqlRows tables,
              connection.Query("SELECT 1 FROM sqlite_master WHERE name = 'api_key'"));
  if (!tables.empty()) return {};
  INFE_ASSIGN(const std::optional<std::string> pepper, ReadPepper(dir));
  if (pepper) NoteKeysWereMade(dir);
  return {};
}

}  // namespace

Result<std::unique_ptr<SqlConnection>> OpenDatabase(const DataDir& dir, const std::string& url) {
  INFE_ASSIGN(const bool postgres, IsPostgresUrl(url));
  std::unique_ptr<SqlConnection> connection;
  if (postgres) {
    INFE_ASSIGN(connection, OpenPostgres(url));
  } else {
    INFE_ASSIGN(connection, OpenSqlite(dir.database_path()));
    INFE_TRY(NoteLostDatabase(dir, *connection));
  }
  INFE_TRY(Migrate(*connection));
  return connection;
}

std::string MaskStoreUrl(const std::string& url) {
  std::string masked = url;
  const size_t scheme = masked.find("://");
  const size_t at = masked.find('@', scheme == std::string::npos ? 0 : scheme);
  if (scheme != std::string::npos && at != std::string::npos) {
    const size_t colon = masked.find(':', scheme + 3);
    if (colon < at) masked.replace(colon + 1, at - colon - 1, "***");
  }
  if (const size_t given = masked.find("password="); given != std::string::npos) {
    const size_t from = given + 9;
    masked.replace(from, std::min(masked.find('&', from), masked.size()) - from, "***");
  }
  return masked;
}

}  // namespace infe::store

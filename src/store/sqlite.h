// SqlConnection over SQLite: WAL mode, synchronous=FULL, a busy timeout. Errors carry SQLite's own
// message.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "store/sql.h"

namespace infe::store {

// Opens or creates the file (0600).
Result<std::unique_ptr<SqlConnection>> OpenSqlite(const std::string& path);
// PRAGMA quick_check: kCorrupt with SQLite's first finding. Reads the whole file.
Result<void> QuickCheckSqlite(SqlConnection& connection);
// A consistent copy of the file at `from` while others write to it, into the new file `to`: made
// aside, synced, renamed. AlreadyExists: there is such a file.
Result<void> BackupSqlite(const std::string& from, const std::string& to);

}  // namespace infe::store

// The tables, as a list of forward migrations that both databases take. Version n is what the first
// n migrations make; the table infe_schema holds the version of a database.
//
// To change the tables append a migration; never edit one that was released.
#pragma once

#include "base/result.h"
#include "store/sql.h"

namespace infe::store {

int SchemaVersion();  // what this program makes and understands

// Brings the database to SchemaVersion, each step in a transaction of its own, one process at a
// time. kUnsupported: the database is newer than this program.
Result<void> Migrate(SqlConnection& connection);

}  // namespace infe::store

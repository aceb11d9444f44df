// Which database: SQLite's file in the data folder, or the PostgreSQL database of a URL.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "store/data_dir.h"
#include "store/sql.h"

namespace infe::store {

// Whether a store URL names PostgreSQL; empty is SQLite. InvalidArgument for anything else.
Result<bool> IsPostgresUrl(const std::string& url);
// A new connection; the schema is brought up to date.
Result<std::unique_ptr<SqlConnection>> OpenDatabase(const DataDir& dir, const std::string& url);
// url without its password, for messages.
std::string MaskStoreUrl(const std::string& url);

}  // namespace infe::store

// SqlConnection over PostgreSQL by libpq. Every wait is bounded: the connection's by
// kConnectSeconds, a statement's by kStatementMs (ours) and the server's statement_timeout. A
// connection that broke is not mended behind the caller's back: the statement fails with
// kUnavailable, alive() turns false, and Reconnect opens a new one.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "store/sql.h"

namespace infe::store {

struct PostgresOptions {
  int connect_timeout_s = 5;
  int statement_timeout_ms = 5000;
};

// url: postgresql://user@host/database and all that libpq takes.
Result<std::unique_ptr<SqlConnection>> OpenPostgres(const std::string& url,
                                                    const PostgresOptions& options = {});

}  // namespace infe::store

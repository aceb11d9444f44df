// SqlConnection over PostgreSQL by libpq. Every wait is bounded: the connection's by
// connect_timeout_ms (but for the look-up of a name), a statement's by statement_timeout_ms (ours)
// and the server's statement_timeout. A
// connection that broke is not mended behind the caller's back: the statement fails with
// kUnavailable, alive() turns false, and Reconnect opens a new one.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "store/sql.h"

namespace infe::store {

struct PostgresOptions {
  int connect_timeout_ms = 5000;
  int statement_timeout_ms = 5000;
};

// url: postgresql://user@host/database and all that libpq takes.
Result<std::unique_ptr<SqlConnection>> OpenPostgres(const std::string& url,
                                                    const PostgresOptions& options = {});

}  // namespace infe::store

#include "store/postgres.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include "store/database.h"

namespace infe::store {
namespace {

using Clock = std::chrono::steady_clock;

struct FinishConnection {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
struct ClearResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using ResultHandle = std::unique_ptr<PGresult, ClearResult>;

// Type numbers of PostgreSQL's catalogue (pg_type.dat), fixed for good.
constexpr Oid kBool = 16, kBytea = 17, kInt8 = 20, kInt2 = 21, kInt4 = 23, kFloat4 = 700,
              kFloat8 = 701, kNumeric = 1700;

// What an answer may take on its way once the server has given up on the statement.
constexpr int kNetworkMs = 500;

std::string Trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

SqlValue ParseNumber(std::string_view text) {
  int64_t integer = 0;
  const char* end = text.data() + text.size();
  if (const auto [at, ec] = std::from_chars(text.data(), end, integer);
      ec == std::errc() && at == end)
    return integer;
  double real = 0;
  std::from_chars(text.data(), end, real);
  return real;
}

SqlValue Cell(const PGresult* result, int row, int column) {
  if (PQgetisnull(result, row, column) != 0) return {};
  const char* data = PQgetvalue(result, row, column);
  const std::string_view text(data, static_cast<size_t>(PQgetlength(result, row, column)));
  switch (PQftype(result, column)) {
    case kBool:
      return int64_t{text == "t"};
    case kInt2:
    case kInt4:
    case kInt8:
    case kFloat4:
    case kFloat8:
    case kNumeric:
      return ParseNumber(text);  // sum() of BIGINT is NUMERIC
    case kBytea: {
      size_t size = 0;
      unsigned char* raw = PQunescapeBytea(reinterpret_cast<const unsigned char*>(data), &size);
      SqlBytes bytes{std::string(reinterpret_cast<const char*>(raw), size)};
      PQfreemem(raw);
      return bytes;
    }
    default:
      return std::string(text);
  }
}

// The arguments of one statement as libpq takes them; texts_ owns what the pointers point to.
class Arguments {
 public:
  explicit Arguments(const std::vector<SqlValue>& values) {
    texts_.reserve(values.size());
    for (const SqlValue& value : values) {
      switch (value.kind) {
        case SqlValue::Kind::kNull:
          texts_.emplace_back();
          break;
        case SqlValue::Kind::kInteger:
          texts_.push_back(fmt::format("{}", value.integer));
          break;
        case SqlValue::Kind::kReal:
          texts_.push_back(fmt::format("{}", value.real));
          break;
        case SqlValue::Kind::kText:
        case SqlValue::Kind::kBytes:
          texts_.push_back(value.text);
          break;
      }
      const bool is_null = value.kind == SqlValue::Kind::kNull;
      pointers_.push_back(is_null ? nullptr : texts_.back().c_str());
      lengths_.push_back(static_cast<int>(texts_.back().size()));
      formats_.push_back(value.kind == SqlValue::Kind::kBytes ? 1 : 0);
    }
  }
  int count() const { return static_cast<int>(pointers_.size()); }
  const char* const* pointers() const { return pointers_.data(); }
  const int* lengths() const { return lengths_.data(); }
  const int* formats() const { return formats_.data(); }

 private:
  std::vector<std::string> texts_;
  std::vector<const char*> pointers_;
  std::vector<int> lengths_, formats_;
};

ErrorCode CodeOf(const PGresult* result) {
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const std::string_view code = state == nullptr ? "" : state;
  if (code.starts_with("23")) return ErrorCode::kAlreadyExists;  // integrity
  if (code == "53100") return ErrorCode::kResourceExhausted;     // disk full
  if (code.starts_with("08") || code.starts_with("57P") ||       // connection, shutdown
      code.starts_with("40") || code.starts_with("53") ||        // conflict, resources
      code == "57014" || code == "55P03" || code.empty())        // timeouts
    return ErrorCode::kUnavailable;
  return ErrorCode::kIo;
}

class PostgresConnection : public SqlConnection {
 public:
  PostgresConnection(std::string url, const PostgresOptions& options)
      : url_(std::move(url)), options_(options) {}

  SqlDialect dialect() const override { return SqlDialect::kPostgres; }

  Result<void> Script(const std::string& sql) override {
    return Run([text = ForDialect(sql, SqlDialect::kPostgres)](PGconn* c) {
      return PQsendQuery(c, text.c_str());
    });
  }

  Result<SqlRows> Query(const std::string& sql, const std::vector<SqlValue>& values) override {
    INFE_ASSIGN(const std::string name, Prepared(sql));
    const Arguments arguments(values);
    INFE_ASSIGN(const ResultHandle result, Collect([&](PGconn* c) {
                  return PQsendQueryPrepared(c, name.c_str(), arguments.count(),
                                             arguments.pointers(), arguments.lengths(),
                                             arguments.formats(), 0);
                }));
    SqlRows answer;
    const int rows = PQntuples(result.get()), columns = PQnfields(result.get());
    answer.rows.resize(static_cast<size_t>(rows));
    for (int row = 0; row < rows; ++row)
      for (int column = 0; column < columns; ++column)
        answer.rows[static_cast<size_t>(row)].push_back(Cell(result.get(), row, column));
    const std::string_view changes = PQcmdTuples(result.get());
    std::from_chars(changes.data(), changes.data() + changes.size(), answer.changes);
    return answer;
  }

  Result<void> Begin() override { return Script("BEGIN"); }
  Result<void> Commit() override { return Script("COMMIT"); }
  void Rollback() override {
    if (alive() && PQtransactionStatus(connection_.get()) != PQTRANS_IDLE) (void)Script("ROLLBACK");
  }

  bool alive() const override {
    return connection_ && PQstatus(connection_.get()) == CONNECTION_OK;
  }

  Result<void> Reconnect() override {
    names_.clear();
    // Before the URL, so that the URL can say otherwise.
    const char* names[] = {"keepalives_idle", "tcp_user_timeout", "application_name", "dbname",
                           nullptr};
    const std::string user_timeout = std::to_string(2 * options_.statement_timeout_ms);
    const char* values[] = {"10", user_timeout.c_str(), "infe", url_.c_str(), nullptr};
    connection_.reset(PQconnectStartParams(names, values, 1));
    const bool in_time = WaitForConnection();
    if (!in_time || PQstatus(connection_.get()) != CONNECTION_OK) {
      Error error = Lost(in_time ? "cannot connect" : "cannot connect in time");
      connection_.reset();
      return error;
    }
    PQsetNoticeProcessor(connection_.get(), [](void*, const char*) {}, nullptr);
    return Script(fmt::format("SET statement_timeout = {}; SET lock_timeout = {}",
                              options_.statement_timeout_ms, options_.statement_timeout_ms));
  }

 private:
  Error Lost(std::string_view what) {
    return {ErrorCode::kUnavailable,
            fmt::format("the database {}: {}: {}", MaskStoreUrl(url_), what,
                        connection_ ? Trimmed(PQerrorMessage(connection_.get())) : "no connection"),
            {}};
  }

  // False: connect_timeout_ms were over first.
  bool WaitForConnection() {
    if (PQstatus(connection_.get()) == CONNECTION_BAD) return true;
    const auto deadline = Clock::now() + std::chrono::milliseconds(options_.connect_timeout_ms);
    PostgresPollingStatusType wanted = PGRES_POLLING_WRITING;
    while (wanted != PGRES_POLLING_OK && wanted != PGRES_POLLING_FAILED) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
      if (left <= 0) return false;
      const short events = wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT;
      pollfd socket{PQsocket(connection_.get()), events, 0};
      if (poll(&socket, 1, static_cast<int>(left)) > 0) wanted = PQconnectPoll(connection_.get());
    }
    return true;
  }

  // Sends by `send` and waits, at most a little longer than the server's own limit, for all
  // results; the last one counts, the first error wins.
  template <typename Send>
  Result<ResultHandle> Collect(const Send& send) {
    if (!alive()) return Lost("the connection is lost");
    if (send(connection_.get()) == 0) return Drop("cannot send");
    const auto deadline = Clock::now() + std::chrono::milliseconds(
                                             options_.statement_timeout_ms +
                                             std::min(options_.statement_timeout_ms, kNetworkMs));
    ResultHandle last;
    std::optional<Error> error;
    for (;;) {
      while (PQisBusy(connection_.get()) != 0) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
        if (left <= 0) return Drop("no answer in time");
        pollfd socket{PQsocket(connection_.get()), POLLIN, 0};
        poll(&socket, 1, static_cast<int>(left));
        if (PQconsumeInput(connection_.get()) == 0) return Drop("the connection is lost");
      }
      ResultHandle result(PQgetResult(connection_.get()));
      if (!result) break;
      const ExecStatusType status = PQresultStatus(result.get());
      if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && !error)
        error = Error{CodeOf(result.get()),
                      "database statement failed: " + Trimmed(PQresultErrorMessage(result.get())),
                      {}};
      last = std::move(result);
    }
    if (error) return *std::move(error);
    if (!last) return Drop("no answer");
    return last;
  }

  // The state of a connection in mid-statement is unknown: it is closed.
  Error Drop(std::string_view what) {
    Error error = Lost(what);
    connection_.reset();
    names_.clear();
    return error;
  }

  template <typename Send>
  Result<void> Run(const Send& send) {
    INFE_ASSIGN(const ResultHandle result, Collect(send));
    return {};
  }

  Result<std::string> Prepared(const std::string& sql) {
    const auto found = names_.find(sql);
    if (found != names_.end()) return found->second;
    std::string name = fmt::format("s{}", names_.size());
    const std::string text = ForDialect(sql, SqlDialect::kPostgres);
    INFE_TRY(
        Run([&](PGconn* c) { return PQsendPrepare(c, name.c_str(), text.c_str(), 0, nullptr); }));
    names_.emplace(sql, name);
    return name;
  }

  const std::string url_;
  const PostgresOptions options_;
  std::unique_ptr<PGconn, FinishConnection> connection_;
  std::unordered_map<std::string, std::string> names_;  // SQL text -> prepared statement's name
};

}  // namespace

Result<std::unique_ptr<SqlConnection>> OpenPostgres(const std::string& url,
                                                    const PostgresOptions& options) {
  auto connection = std::make_unique<PostgresConnection>(url, options);
  INFE_TRY(connection->Reconnect());
  return std::unique_ptr<SqlConnection>(std::move(connection));
}

}  // namespace infe::store

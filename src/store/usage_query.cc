#include "store/usage_query.h"

#include <algorithm>
#include <array>
#include <map>

#include <fmt/format.h>

#include "store/database.h"
#include "store/limits.h"
#include "store/sqlite.h"
#include "store/utc.h"

namespace infe::store {
namespace {

constexpr const char* kNotInJump =
    "NOT EXISTS (SELECT 1 FROM usage_in_jump WHERE usage_in_jump.boot = usage.boot"
    " AND usage_in_jump.number = usage.number)";
constexpr std::array kStates = {"open", "settled", "recovered"};

// Group columns: the SQL column and where its value goes.
struct GroupColumn {
  const char* column;
  std::string UsageSum::* field;
};
GroupColumn ColumnOf(UsageGroup group) {
  switch (group) {
    case UsageGroup::kProject:
      return {"project", &UsageSum::project};
    case UsageGroup::kKey:
      return {"key_id", &UsageSum::key_id};
    case UsageGroup::kAccount:
      return {"account", &UsageSum::account};
    case UsageGroup::kModel:
      return {"model", &UsageSum::model};
    case UsageGroup::kServiceTier:
      return {"service_tier", &UsageSum::service_tier};
    case UsageGroup::kEndUser:
      return {"end_user", &UsageSum::end_user};
    case UsageGroup::kUpstream:
      return {"upstream", &UsageSum::upstream};
  }
  return {"project", &UsageSum::project};
}

// The WHERE of a query; its values are appended to `values`.
std::string Where(const UsageQuery& query, std::vector<SqlValue>& values) {
  const auto next = [&](SqlValue value) {
    values.push_back(std::move(value));
    return fmt::format("${}", values.size());
  };
  std::string where = "started_ms >= " + next(query.from * 1000);
  if (query.to != 0) where += " AND started_ms < " + next(query.to * 1000);
  const auto listed = [&](const char* column, const char* in, const std::vector<std::string>& of) {
    if (of.empty()) return;
    std::string list;
    for (const std::string& value : of) list += (list.empty() ? "" : ", ") + next(value);
    where += fmt::format(" AND {} {} ({})", column, in, list);
  };
  const auto any_of = [&](const char* column, const std::vector<std::string>& wanted) {
    listed(column, "IN", wanted);
  };
  any_of("project", query.projects);
  any_of("key_id", query.keys);
  any_of("model", query.models);
  any_of("end_user", query.end_users);
  any_of("upstream", query.upstreams);
  any_of("endpoint", query.endpoints);
  listed("endpoint", "NOT IN", query.other_endpoints);
  return where;
}

std::string CsvField(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

}  // namespace

Result<BucketWidth> ParseBucketWidth(const std::string& text) {
  if (text == "1m") return BucketWidth::kMinute;
  if (text == "1h") return BucketWidth::kHour;
  if (text == "1d") return BucketWidth::kDay;
  return InvalidArgument(fmt::format("the bucket width must be 1m, 1h or 1d, not \"{}\"", text),
                         "bucket_width");
}

Result<std::unique_ptr<UsageReader>> UsageReader::Open(const DataDir& dir, const std::string& url) {
  INFE_ASSIGN(std::unique_ptr<SqlConnection> database, OpenDatabase(dir, url));
  return std::unique_ptr<UsageReader>(
      new UsageReader(std::move(database), url.empty() ? dir.database_path() : std::string()));
}

UsageReader::UsageReader(std::unique_ptr<SqlConnection> database, std::string path)
    : database_(std::move(database)), path_(std::move(path)) {}

Result<UsagePage> UsageReader::Sums(const UsageQuery& query) {
  std::vector<SqlValue> values;
  const std::string where = Where(query, values);
  const int64_t width_ms = static_cast<int64_t>(query.width) * 1000;
  std::string keys = width_ms == 0 ? "0" : fmt::format("started_ms - started_ms % {}", width_ms);
  std::string order = "1";
  for (size_t i = 0; i < query.group_by.size(); ++i) {
    keys += fmt::format(", {}", ColumnOf(query.group_by[i]).column);
    order += fmt::format(", {}", i + 2);
  }
  const std::string sql = fmt::format(
      "SELECT {}, count(*), sum(prompt_tokens), sum(cached_tokens), sum(completion_tokens),"
      " sum(CASE WHEN status >= 400 THEN 1 ELSE 0 END),"
      " sum(CASE WHEN state = 2 THEN 1 ELSE 0 END), sum(CASE WHEN state = 0 THEN 1 ELSE 0 END)"
      " FROM usage WHERE {} GROUP BY {} ORDER BY {}",
      keys, where, order, order);
  std::lock_guard lock(mutex_);
  INFE_ASSIGN(const SqlRows rows, Read(*database_, sql, values));
  UsagePage page;
  size_t buckets = 0;
  for (size_t row = 0; row < rows.size(); ++row) {
    UsageSum sum;
    sum.bucket_start = rows.Int(row, 0) / 1000;
    if (page.sums.empty() || page.sums.back().bucket_start != sum.bucket_start) ++buckets;
    if (query.buckets_max != 0 && buckets > query.buckets_max) {
      page.next_from = sum.bucket_start;
      break;
    }
    size_t column = 1;
    for (const UsageGroup group : query.group_by)
      sum.*ColumnOf(group).field = rows.Text(row, column++);
    for (int64_t UsageSum::* field :
         {&UsageSum::requests, &UsageSum::prompt_tokens, &UsageSum::cached_tokens,
          &UsageSum::completion_tokens, &UsageSum::failed, &UsageSum::recovered, &UsageSum::open})
      sum.*field = rows.Int(row, column++);
    page.sums.push_back(std::move(sum));
  }
  return page;
}

Result<std::vector<UsageRow>> UsageReader::Rows(const UsageQuery& query, size_t limit) {
  std::vector<SqlValue> values;
  const std::string where = Where(query, values);
  values.push_back(static_cast<int64_t>(limit));
  const std::string sql = fmt::format(
      "SELECT boot, number, state, request_id, key_id, account, project, model, endpoint,"
      " service_tier, end_user, finish, upstream, started_ms, ended_ms, status, reserved_tokens, "
      "prompt_tokens,"
      " cached_tokens, completion_tokens FROM usage WHERE {}"
      " ORDER BY started_ms DESC, boot, number DESC LIMIT ${}",
      where, values.size());
  std::lock_guard lock(mutex_);
  INFE_ASSIGN(const SqlRows rows, Read(*database_, sql, values));
  std::vector<UsageRow> list(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    UsageRow& row = list[i];
    row.boot = rows.Int(i, 0);
    row.number = rows.Int(i, 1);
    row.state = kStates[static_cast<size_t>(std::clamp<int64_t>(rows.Int(i, 2), 0, 2))];
    size_t column = 3;
    for (std::string UsageRow::* field :
         {&UsageRow::request_id, &UsageRow::key_id, &UsageRow::account, &UsageRow::project,
          &UsageRow::model, &UsageRow::endpoint, &UsageRow::service_tier, &UsageRow::end_user,
          &UsageRow::finish, &UsageRow::upstream})
      row.*field = rows.Text(i, column++);
    for (int64_t UsageRow::* field :
         {&UsageRow::started_ms, &UsageRow::ended_ms, &UsageRow::status, &UsageRow::reserved_tokens,
          &UsageRow::prompt_tokens, &UsageRow::cached_tokens, &UsageRow::completion_tokens})
      row.*field = rows.Int(i, column++);
  }
  return list;
}

Result<std::vector<AccountUsage>> UsageReader::SinceMonthStart(int64_t now) {
  const int64_t month_ms = MonthStart(now) * 1000, day_ms = DayStart(now) * 1000;
  std::lock_guard lock(mutex_);
  INFE_ASSIGN(
      const SqlRows rows,
      Read(*database_,
           fmt::format("SELECT account, project, model,"
                       " sum(CASE WHEN started_ms >= {0} THEN 1 ELSE 0 END),"
                       " sum(CASE WHEN started_ms >= {0} THEN prompt_tokens - cached_tokens +"
                       " completion_tokens ELSE 0 END),"
                       " sum(prompt_tokens - cached_tokens + completion_tokens)"
                       " FROM usage WHERE started_ms >= {1} AND {2} GROUP BY account, project,"
                       " model",
                       day_ms, month_ms, kNotInJump),
           {}));
  std::map<std::string, AccountUsage> by_account;
  for (size_t i = 0; i < rows.size(); ++i) {
    for (const std::string& account :
         {rows.Text(i, 0), ProjectAccount(rows.Text(i, 1), rows.Text(i, 2))}) {
      AccountUsage& usage = by_account[account];
      usage.account = account;
      usage.requests_today += rows.Int(i, 3);
      usage.tokens_today += rows.Int(i, 4);
      usage.tokens_this_month += rows.Int(i, 5);
    }
  }
  std::vector<AccountUsage> used;
  for (auto& [account, usage] : by_account) used.push_back(std::move(usage));
  return used;
}

Result<int64_t> UsageReader::LatestMs() {
  std::lock_guard lock(mutex_);
  if (database_->dialect() == SqlDialect::kPostgres) {
    INFE_ASSIGN(const SqlRows now, Read(*database_,
                                        "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000"
                                        " AS BIGINT)"));
    return now.Int(0, 0);
  }
  INFE_ASSIGN(const SqlRows last,
              Read(*database_, fmt::format("SELECT started_ms FROM usage WHERE {}"
                                           " ORDER BY started_ms DESC LIMIT 1",
                                           kNotInJump)));
  INFE_ASSIGN(const SqlRows seen,
              Read(*database_, "SELECT value FROM store_counter WHERE name = 'clock_seen'"));
  return std::max(last.empty() ? 0 : last.Int(0, 0), seen.empty() ? 0 : seen.Int(0, 0) * 1000);
}

Result<int64_t> UsageReader::AcceptClock(int64_t now) {
  std::lock_guard lock(mutex_);
  INFE_ASSIGN(SqlTransaction transaction, SqlTransaction::Begin(*database_));
  INFE_ASSIGN(const SqlRows marked,
              database_->Query("INSERT INTO usage_in_jump (boot, number) SELECT boot, number"
                               " FROM usage WHERE started_ms > $1 ON CONFLICT DO NOTHING",
                               {now * 1000}));
  INFE_TRY(
      database_->Query("UPDATE store_counter SET value = $1 WHERE name = 'clock_seen'", {now}));
  INFE_TRY(transaction.Commit());
  return marked.changes;
}

Result<void> UsageReader::Backup(const std::string& path) {
  if (path_.empty())
    return Unsupported("a PostgreSQL database is backed up with pg_dump, not by infe");
  return BackupSqlite(path_, path);
}

std::string ToCsv(const std::vector<UsageSum>& sums) {
  std::string csv =
      "start,project,key_id,account,model,service_tier,end_user,requests,prompt_tokens,cached_"
      "tokens,"
      "completion_tokens,failed,recovered,open,upstream\r\n";
  for (const UsageSum& sum : sums)
    csv +=
        fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\r\n", Rfc3339(sum.bucket_start),
                    CsvField(sum.project), CsvField(sum.key_id), CsvField(sum.account),
                    CsvField(sum.model), CsvField(sum.service_tier), CsvField(sum.end_user),
                    sum.requests, sum.prompt_tokens, sum.cached_tokens, sum.completion_tokens,
                    sum.failed, sum.recovered, sum.open, CsvField(sum.upstream));
  return csv;
}

}  // namespace infe::store

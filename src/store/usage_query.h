// Reading the ledger back: sums over buckets of time, grouped. Short reads on a connection of their
// own, so that they never hold up the writer for long nor let the WAL grow.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/data_dir.h"
#include "store/sql.h"

namespace infe::store {

// Seconds of a bucket; buckets begin at multiples of it since 1970, UTC. kAll: one bucket.
enum class BucketWidth : int64_t { kMinute = 60, kHour = 3600, kDay = 86400, kAll = 0 };
// "1m", "1h", "1d".
Result<BucketWidth> ParseBucketWidth(const std::string& text);

enum class UsageGroup { kProject, kKey, kAccount, kModel, kServiceTier, kEndUser, kUpstream };

struct UsageQuery {
  int64_t from = 0;  // Unix seconds, inclusive, of a request's start
  int64_t to = 0;    // exclusive; 0: no end
  BucketWidth width = BucketWidth::kDay;
  std::vector<UsageGroup> group_by;
  // Only rows of these; empty: all.
  std::vector<std::string> projects, keys, models, end_users, upstreams;
  // Only of these endpoints, by their patterns, or of all but these; empty: all.
  std::vector<std::string> endpoints, other_endpoints;
  // Pages count buckets of time that have rows, not rows.
  size_t buckets_max = 0;  // 0: all
};

// One line of the answer. Fields that are not grouped by are empty.
struct UsageSum {
  int64_t bucket_start = 0;  // Unix seconds
  std::string project, key_id, account, model, service_tier, end_user;
  std::string upstream;  // the server that was asked; empty: a model on this machine
  int64_t requests = 0;
  int64_t prompt_tokens = 0, cached_tokens = 0, completion_tokens = 0;
  int64_t failed = 0;     // of the requests: status >= 400, client gone included
  int64_t recovered = 0;  // of the requests: settled at their checkpoint after a crash
  int64_t open = 0;  // of the requests: running, or left by a process that nobody has missed yet
};

struct UsagePage {
  std::vector<UsageSum> sums;  // by bucket, then by group
  int64_t next_from = 0;       // `from` of the next page; 0: this is the last
};

// One request, for lists and CSV.
struct UsageRow {
  int64_t boot = 0, number = 0;
  std::string state;  // open, settled, recovered
  std::string request_id, key_id, account, project, model, endpoint, service_tier, end_user, finish,
      upstream;
  int64_t started_ms = 0, ended_ms = 0, status = 0;
  int64_t reserved_tokens = 0, prompt_tokens = 0, cached_tokens = 0, completion_tokens = 0;
};

// What an account (a key's, or a project's for a model, see limits.h) has used since the start of
// the UTC day and month: with this the quotas begin.
struct AccountUsage {
  std::string account;
  int64_t requests_today = 0, tokens_today = 0,
          tokens_this_month = 0;  // tokens without cached ones
};

class UsageReader {
 public:
  static Result<std::unique_ptr<UsageReader>> Open(const DataDir& dir, const std::string& url = {});

  // Thread-safe, all of them; one at a time.
  Result<UsagePage> Sums(const UsageQuery& query);
  // The newest `limit` rows that match (width and groups aside).
  Result<std::vector<UsageRow>> Rows(const UsageQuery& query, size_t limit);
  // Without what was used while a clock had jumped ahead.
  Result<std::vector<AccountUsage>> SinceMonthStart(int64_t now);
  // The latest moment that the database knows of, Unix milliseconds: PostgreSQL's own clock, or the
  // last request (likewise) or sign of life. 0: none.
  Result<int64_t> LatestMs();
  // The clock is right and what the database has of later times was a mistake: it counts towards no
  // quota and holds no clock any more. The number of requests.
  Result<int64_t> AcceptClock(int64_t now);
  // A whole, consistent copy in a new file, while others write. SQLite only: Unsupported names
  // pg_dump otherwise.
  Result<void> Backup(const std::string& path);

 private:
  UsageReader(std::unique_ptr<SqlConnection> database, std::string path);
  std::mutex mutex_;
  std::unique_ptr<SqlConnection> database_;
  const std::string path_;  // of SQLite's file
};

// RFC 4180, with a header line.
std::string ToCsv(const std::vector<UsageSum>& sums);

}  // namespace infe::store

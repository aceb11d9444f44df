// The usage ledger: one row per request, what it took and for whom; never any text of a prompt or
// an answer.
//
//   Reserve (admission) -> Checkpoint (while it runs) -> Settle (the end)
//
// No caller waits for the disk. Each call changes the row in memory; one thread of the ledger
// writes all changed rows in one transaction about every kCommitInterval (WAL, synchronous=FULL:
// the commit is on the disk when it returns). So a crash loses at most kCommitInterval and one
// commit of admissions and ends, and of a running request the tokens since its last checkpoint
// (checkpoint_tokens or checkpoint_interval, whichever comes first). A caller that must know asks
// for the `durable` callback of Settle.
//
// When rows cannot be written:
//
//   healthy --commit fails--> failing (on_failure closed)        Reserve is refused
//      ^                      journaling (on_failure open-bounded) Reserve goes on until
//      |                         |                                 journal_bytes_max are in memory
//      +---- a commit works and the reserve file is back -----------+
//
// Nothing in memory is dropped in any state, and a commit that hangs counts as one that fails after
// stall_limit. Writing a row again is harmless (upsert by boot and number), so a commit whose
// answer got lost is simply repeated.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "store/data_dir.h"
#include "store/store_clock.h"

namespace infe::store {

class SqlConnection;

// Known at admission.
struct UsageStart {
  std::string request_id, key_id, account, project, model, endpoint;
  std::string service_tier = "default";
  std::string end_user;    // whom the client names, any text: its safety_identifier, or its user
  int64_t started_ms = 0;  // Unix milliseconds, as StoreClock tells them
  bool in_jump = false;    // while its clock had jumped: no quota of a day begins with it
  int64_t reserved_tokens = 0;  // prompt estimate + max_tokens * n
};

// Known at the end. Tokens of all choices together.
struct UsageEnd {
  int64_t prompt_tokens = 0;  // with the cached ones
  int64_t cached_tokens = 0;
  int64_t completion_tokens = 0;
  int status = 0;        // HTTP status; 499: the client left
  std::string finish;    // stop, length, tool_calls, abort, error...
  std::string upstream;  // the server that was asked, where the model runs elsewhere
  int64_t ended_ms = 0;
};

class UsageLedger;

// An open row. Whoever runs the request holds it; if it is dropped without Settle, the row is
// settled at its last checkpoint with the finish "abandoned". It must not outlive the ledger.
class UsageReservation {
 public:
  ~UsageReservation();
  UsageReservation(const UsageReservation&) = delete;
  UsageReservation& operator=(const UsageReservation&) = delete;

  // Any thread, at every token if you like: two stores, and now and then a wake-up of the writer.
  void Checkpoint(int64_t prompt_tokens, int64_t cached_tokens, int64_t completion_tokens);
  // The first call counts. durable: called once, with true on the ledger's thread when the row is
  // on the disk; with false when it will not be (the ledger closed) or was settled before.
  void Settle(const UsageEnd& end, std::function<void(bool)> durable = {});

 private:
  friend class UsageLedger;
  struct Entry;
  UsageReservation(UsageLedger& ledger, std::shared_ptr<Entry> entry);
  UsageLedger& ledger_;
  const std::shared_ptr<Entry> entry_;  // shared with the ledger's table of unwritten rows
};

enum class LedgerFailureMode { kClosed, kOpenBounded };
// "closed", "open-bounded".
Result<LedgerFailureMode> ParseLedgerFailureMode(const std::string& text);

enum class LedgerState { kHealthy, kFailing, kJournaling };
const char* Name(LedgerState state);

struct LedgerOptions {
  LedgerFailureMode on_failure = LedgerFailureMode::kClosed;
  size_t journal_bytes_max = size_t{64} << 20;  // about 200,000 rows
  int64_t reserve_file_bytes = int64_t{4}
                               << 20;  // freed when the disk is full; SQLite only; 0: none
  std::chrono::milliseconds commit_interval{20};
  std::chrono::milliseconds checkpoint_interval{1000};
  int64_t checkpoint_tokens = 256;
  std::chrono::milliseconds stall_limit{2000};
  StoreClock* clock = nullptr;                    // borrowed; null: the system's
  std::chrono::milliseconds close_timeout{5000};  // how long Close tries to write what is left
};

struct LedgerStats {
  LedgerState state = LedgerState::kHealthy;
  std::string last_error;  // of the last failure, for the log
  uint64_t commits = 0, commit_failures = 0, rows_written = 0, refused = 0;
  // Upper bounds of the histogram of commit times; the last count is of all above.
  static constexpr std::array<double, 8> kCommitSeconds = {0.001, 0.0025, 0.005, 0.01,
                                                           0.025, 0.1,    0.5,   2.5};
  std::array<uint64_t, 9> commit_seconds_buckets{};
  double commit_seconds_sum = 0;
  uint64_t pending_rows = 0, pending_bytes = 0;  // in memory, not yet on the disk
  uint64_t open_requests = 0;
  uint64_t wal_bytes = 0;          // SQLite only
  bool reserve_file_there = true;  // false: it was given up for a full disk
  uint64_t recovered_rows = 0;     // open rows of dead processes, settled at their checkpoint
};

class UsageLedger {
 public:
  // Opens or makes the database of `url` (store/database.h), checks it (quick_check; kCorrupt says
  // what to do), settles what dead processes left open, starts the writer.
  static Result<std::unique_ptr<UsageLedger>> Open(const DataDir& dir, const std::string& url,
                                                   const LedgerOptions& options);
  // Over connections that `connect` opens: for tests, which make them fail.
  using Connector = std::function<Result<std::unique_ptr<SqlConnection>>()>;
  static Result<std::unique_ptr<UsageLedger>> Open(const DataDir& dir, Connector connect,
                                                   const LedgerOptions& options);
  ~UsageLedger();

  // Thread-safe, all of them.
  // kUnavailable: the ledger cannot take new work now (503); the message says why.
  Result<std::unique_ptr<UsageReservation>> Reserve(UsageStart start);
  // Waits until everything reported so far is on the disk, at most `timeout`. False: it is not.
  bool Flush(std::chrono::milliseconds timeout);
  LedgerStats Stats() const;
  // Writes what is left; the error tells how many rows it could not write. The destructor calls it.
  Result<void> Close();
  // Of this process's rows, for tests and logs.
  int64_t boot_id() const;

  struct Impl;

 private:
  friend class UsageReservation;
  explicit UsageLedger(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace infe::store

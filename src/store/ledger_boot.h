// Who writes usage: one row per process in ledger_boot, so that the open rows of one that died can
// be told from those of one that runs. On the same host a process is alive if its pid has its start
// time; on another, if its heartbeat is young.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "store/sql.h"

namespace infe::store {

// How often a process tells that it lives, and after how much silence others take it for dead. Six
// beats: a database that is away for a moment kills nobody.
inline constexpr int64_t kHeartbeatS = 5;
inline constexpr int64_t kHeartbeatLostS = 30;

struct LedgerBoot {
  int64_t id = 0;  // random, positive
  std::string host;
  int64_t pid = 0, pid_started = 0;

  static LedgerBoot OfThisProcess();
  // Inserts or renews the row. now: Unix seconds.
  Result<void> Beat(SqlConnection& connection, int64_t now) const;
  Result<void> Remove(SqlConnection& connection) const;
};

// Settles the open rows of processes that are dead at `now` at their last checkpoint, state
// "recovered", and forgets these processes. The number of rows. In a transaction of its own.
Result<int64_t> RecoverDeadBoots(SqlConnection& connection, const LedgerBoot& self, int64_t now);

}  // namespace infe::store

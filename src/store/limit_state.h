// The shared state of one account's limits, as the database keeps it, and the transaction that
// moves pieces of it to a process and back. Row-locked: one process at a time per account, for the
// length of three statements.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "store/key_record.h"
#include "store/limits.h"
#include "store/sql.h"
#include "store/token_bucket.h"

namespace infe::store {

// Pieces of the limits in a process's hands. Negative: it has spent more than it leased.
struct LimitPieces {
  int64_t requests = 0, tokens = 0;  // of the minute's buckets
  int64_t day_requests = 0, day_tokens = 0, month_tokens = 0;
  bool operator==(const LimitPieces&) const = default;
};

// What the database says of an account: its buckets, and what its quotas have used, all leases
// included. Times are the database's.
struct SharedState {
  TokenBucket requests, tokens;
  int64_t day = 0, day_requests = 0, day_tokens = 0;  // windows in Unix seconds
  int64_t month = 0, month_tokens = 0;
  int64_t slots = 0;  // that all processes hold together
};

struct LeaseAsk {
  std::string account;
  KeyLimits limits;
  int64_t boot = 0;
  LimitPieces give_back;       // from what was leased in the windows below; negative: owed
  int64_t day = 0, month = 0;  // windows of give_back's quotas
  LimitPieces need;            // all of it or nothing, new_slots included
  LimitPieces extra;           // beyond the need, as far as there is
  int64_t slots = 0;           // that the process holds whatever the answer is
  int64_t new_slots = 0;       // that it wants besides
};

struct LeaseAnswer {
  LimitKind refused_by = LimitKind::kNone;
  int64_t limit = 0, used = 0;
  int64_t retry_after_ms = 0;
  LimitPieces granted;           // need and extra, if not refused
  int64_t day = 0, month = 0;    // the windows now, Unix seconds
  SharedState state;             // after this; slots: as they were, if new ones were asked for
  int64_t now_us = 0;            // the database's clock
  RateNumbers requests, tokens;  // of the shared buckets after this
};

// One transaction. The give-back happens even when the need is refused.
Result<LeaseAnswer> Lease(SqlConnection& connection, const LeaseAsk& ask);

// What a process looks at now and then, so that it knows how things stand should the database go.
struct LimitsView {
  int64_t processes = 1;  // that live and share the limits, this one included
  int64_t now_us = 0;     // the database's clock
  std::vector<std::pair<std::string, SharedState>> changed;  // by account
};
// Accounts whose state has changed since `since_us` of the database's clock.
Result<LimitsView> LookAtLimits(SqlConnection& connection, int64_t since_us);

}  // namespace infe::store

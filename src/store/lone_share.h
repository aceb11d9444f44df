// What one process may admit of an account while the database that several share does not answer:
// what was left there when it was last seen, divided by the processes that lived then. So a limit
// that was spent stays spent, and all of them together admit no more than the limit, but for what
// passed between the last look and the loss.
//
// A request is charged as often as there are processes, against the whole of what was left: that
// divides without rounding, and refills at the share's rate.
//
// Times are the database's clock. One thread at a time.
#pragma once

#include <cstdint>

#include "store/key_record.h"
#include "store/limit_state.h"
#include "store/limits.h"

namespace infe::store {

class LoneShare {
 public:
  // As the database tells it. What the process owes is not in it.
  void Learn(const SharedState& state);
  // Of an account that the database has told nothing of: as the ledger counted at the start.
  void LearnUsage(const AccountUsage& used, int64_t now_us);

  struct Ask {
    KeyLimits limits;
    LimitPieces owed;                  // spent, but never leased, before this request
    LimitPieces more;                  // of this request, beyond what is leased
    int64_t slots = 0, new_slots = 0;  // held by this process, wanted besides
    int64_t processes = 1;
    int64_t now_us = 0;
  };
  struct Verdict {
    LimitKind refused_by = LimitKind::kNone;
    int64_t limit = 0, used = 0;
    int64_t retry_after_ms = 0;
  };
  Verdict Judge(const Ask& ask);

 private:
  void Roll(int64_t now_us);
  void ChargeOwed(const Ask& ask);

  SharedState seen_;
  LimitPieces charged_;  // of what is owed: what seen_ has been charged
};

}  // namespace infe::store

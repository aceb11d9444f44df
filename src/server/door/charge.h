// What one request holds from its admission to its end: what its key's limits were charged, its row
// in the usage ledger, its place in the queue. Given back or settled exactly once, whichever way
// the request ends; what comes after the end is given back at once (a client may leave while a task
// thread is still admitting its request).
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "server/door/queue_gate.h"
#include "store/limits.h"
#include "store/usage_ledger.h"

namespace infe::server {

class Charge {
 public:
  struct Holdings {
    std::vector<std::unique_ptr<store::LimitPermit>> permits;
    std::unique_ptr<store::UsageReservation> row;
    std::unique_ptr<QueueGate::Place> place;
  };
  struct End {
    store::UsageEnd usage;    // what the client was sent: goes to the ledger
    int64_t work_tokens = 0;  // what was computed for it: charged to the limits
    bool refused = false;     // by our own overload: costs its key nothing
  };

  // Thread-safe, all of them.
  // Once. False: the request is over already.
  bool Take(Holdings holdings);
  // The prompt has been tokenised; prompt_tokens: of all choices together.
  void SetPromptTokens(uint64_t prompt_tokens);
  // A first token is there.
  void PromptDone();
  // What the client has been sent so far.
  void Checkpoint(int64_t prompt_tokens, int64_t completion_tokens);
  void Settle(const End& end);

 private:
  std::mutex mutex_;
  bool over_ = false;  // guarded by mutex_, as is
  Holdings holdings_;
};

}  // namespace infe::server

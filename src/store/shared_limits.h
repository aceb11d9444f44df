// Limits that several processes hold together, over PostgreSQL. The database keeps one state per
// account (buckets, quotas, slots); a process leases from it in small pieces and spends what it has
// leased by itself:
//
//   Admit: enough leased?  --yes--> spend it, no wait
//                          --no---> one short transaction leases what is missing and a little more
//   every tick (250 ms):   what is leased beyond a little, given back by answers that were shorter
//                          than estimated, or owed, goes back to the database
//
// So the processes together never admit more than the limit, and what lies leased and unused is at
// most kLeaseShare of a limit per process (nothing of a limit under 100), for as long as a tick.
//
// Quotas begin with the ledger's own sums: when the state is new, when a day or month begins, and
// after a process died with leases in its hands.
//
// Every tick also looks at the states that changed and at how many processes live. A connection
// that broke is opened again and the database asked again. Only while it does not answer (bounded
// by SharedLimitOptions) does a process decide by itself (degraded() says so): by what it has
// leased and its share of what was left when it last looked (lone_share.h). It tries again every
// second, and then pays what it owes. The ledger decides whether requests are taken at all
// meanwhile: with on_failure = closed, none are once a write has failed.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/result.h"
#include "store/limits.h"
#include "store/sql.h"

namespace infe::store {

struct SharedLimitOptions {
  int64_t tick_ms = 250;
  int64_t wait_ms = 250;     // of a decision, for its turn and for each answer of the database
  int64_t connect_ms = 500;  // of a decision, for a new connection in place of one that broke
};

class SharedLimiter : public Limiter {
 public:
  using Connector = std::function<Result<std::unique_ptr<SqlConnection>>()>;
  // boot: this process's id in ledger_boot. The clocks of the database rule buckets and windows.
  static Result<std::unique_ptr<SharedLimiter>> Open(Connector connect, int64_t boot,
                                                     const std::vector<AccountUsage>& used,
                                                     const SharedLimitOptions& options = {});
  ~SharedLimiter() override;

  LimitDecision Admit(const LimitAsk& ask) override;
  void Numbers(const std::string& account, const KeyLimits& limits, RateNumbers& requests,
               RateNumbers& tokens) override;
  // Each process is on its own for now.
  bool degraded() const;

  struct Impl;

 private:
  explicit SharedLimiter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace infe::store

// Rate limits and quotas of an account: one decision per request, O(1), before any work is done.
//
//   Admit (charges the estimate) -> request runs -> LimitPermit::Settle (charges what it really
//   was)
//
// Requests and tokens per minute are token buckets of one minute's limit that refill evenly (GCRA
// in integers), so over any time t at most limit + limit * t / minute pass. Daily and monthly
// quotas begin at midnight UTC and count tokens without cached ones. While the clock has jumped
// ahead (store_clock.h) they count in windows of their own. Charged at admission: the prompt
// estimate and what the answer may take at most; the difference comes back at Settle. A bucket may
// go below zero there (an estimate was low): then later requests wait longer.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/key_record.h"
#include "store/store_clock.h"
#include "store/usage_query.h"

namespace infe::store {

enum class LimitKind {
  kNone,
  kConcurrentRequests,
  kRequestsPerMinute,
  kTokensPerMinute,
  kRequestsPerDay,
  kTokensPerDay,
  kTokensPerMonth,
};
// "requests per minute" and so on, for messages.
const char* Name(LimitKind kind);

// The account of a project's own limits for a model. No key's account looks like it; its quotas
// begin with what the project's requests of that model have used.
std::string ProjectAccount(const std::string& project, const std::string& model);

struct LimitAsk {
  std::string account;    // KeyRecord::account or ProjectAccount
  KeyLimits limits = {};  // of the key that asks
  int64_t requests = 1;   // slots of concurrency and requests
  int64_t tokens = 0;     // prompt estimate + max_tokens * n
};

// For x-ratelimit-{limit,remaining,reset}-*. limit 0: there is none, send no header.
struct RateNumbers {
  int64_t limit = 0;
  int64_t remaining = 0;
  int64_t reset_ms = 0;  // until the bucket is full again
};

// When to come back while others of the account run: nobody knows when they end. SDKs double it.
inline constexpr int64_t kConcurrencyRetryMs = 1000;

class LimitPermit;

struct LimitDecision {
  std::unique_ptr<LimitPermit> permit;  // null: refused
  LimitKind refused_by = LimitKind::kNone;
  // Refused: when the same request would fit. -1: never, it asks for more than the whole limit.
  int64_t retry_after_ms = 0;
  int64_t limit = 0, used = 0, asked = 0;  // of the limit that refused, for the message
  RateNumbers requests, tokens;            // after this decision

  bool allowed() const { return permit != nullptr; }
  // The quota is spent (429 insufficient_quota), not the rate (429 rate_limit_exceeded).
  bool quota_spent() const {
    return refused_by == LimitKind::kRequestsPerDay || refused_by == LimitKind::kTokensPerDay ||
           refused_by == LimitKind::kTokensPerMonth;
  }
};

// Holds what a request was charged. Its destructor ends the request; without Settle or Cancel the
// whole estimate stays charged. It must not outlive the limiter. One thread at a time.
class LimitPermit {
 public:
  virtual ~LimitPermit() = default;
  // billed: prompt - cached + completion.
  virtual void Settle(int64_t billed_tokens) = 0;
  // The request never ran (the queue was full): everything comes back.
  virtual void Cancel() = 0;
};

struct LimitClock {
  std::function<int64_t()> monotonic_us;
  std::function<StoreClock::Reading()> now;
  static LimitClock System();
  static LimitClock Of(StoreClock& clock);
};

class Limiter {
 public:
  virtual ~Limiter() = default;
  // Thread-safe. Never waits in one process; shared limits may wait for the database a moment
  // (shared_limits.h).
  virtual LimitDecision Admit(const LimitAsk& ask) = 0;
  // The numbers as they are, for answers that are not limited.
  virtual void Numbers(const std::string& account, const KeyLimits& limits, RateNumbers& requests,
                       RateNumbers& tokens) = 0;
};

// Limits of this process alone. used: from UsageReader::SinceMonthStart.
std::unique_ptr<Limiter> NewLocalLimiter(LimitClock clock, const std::vector<AccountUsage>& used);

}  // namespace infe::store

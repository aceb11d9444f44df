#include "store/limits.h"

#include <chrono>
#include <ctime>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "store/token_bucket.h"
#include "store/utc.h"

namespace infe::store {
namespace {

// What was used since a window began; it starts anew when another one does.
struct Quota {
  int64_t window = 0;  // Unix seconds of its start
  int64_t used = 0;
  void Enter(int64_t start) {
    if (start == window) return;
    window = start;
    used = 0;
  }
};

// The quotas of an account in one line of time. That of the clock as it is never goes back
// (store_clock.h).
struct Quotas {
  Quota requests_day, tokens_day, tokens_month;
  void Enter(int64_t now) {
    requests_day.Enter(DayStart(now));
    tokens_day.Enter(DayStart(now));
    tokens_month.Enter(MonthStart(now));
  }
};

struct Account {
  int64_t running = 0;
  TokenBucket requests, tokens;
  Quotas quotas;
  // While the clock has jumped ahead: what is used then is not of the days that it names, and those
  // do not begin with it when they come.
  Quotas in_jump;

  Quotas& QuotasAt(const StoreClock::Reading& now) { return now.jumped ? in_jump : quotas; }
};

RateNumbers NumbersOf(TokenBucket& bucket, int64_t limit, int64_t now_us) {
  if (limit == 0) return {};
  return {limit, std::max<int64_t>(bucket.Available(now_us), 0),
          (bucket.FullInUs(now_us) + 999) / 1000};
}

class LocalLimiter : public Limiter {
 public:
  LocalLimiter(LimitClock clock, const std::vector<AccountUsage>& used) : clock_(std::move(clock)) {
    const int64_t now = clock_.now().unix_s();
    for (const AccountUsage& usage : used) {
      Quotas& quotas = accounts_[usage.account].quotas;
      quotas.requests_day = {DayStart(now), usage.requests_today};
      quotas.tokens_day = {DayStart(now), usage.tokens_today};
      quotas.tokens_month = {MonthStart(now), usage.tokens_this_month};
    }
  }

  LimitDecision Admit(const LimitAsk& ask) override;
  void Numbers(const std::string& name, const KeyLimits& limits, RateNumbers& requests,
               RateNumbers& tokens) override {
    std::lock_guard lock(mutex_);
    const int64_t now_us = clock_.monotonic_us();
    Account& account = Enter(name, limits, now_us);
    requests = NumbersOf(account.requests, limits.requests_per_minute, now_us);
    tokens = NumbersOf(account.tokens, limits.tokens_per_minute, now_us);
  }

 private:
  class Permit;

  // The account with its limits as they are now.
  Account& Enter(const std::string& name, const KeyLimits& limits, int64_t now_us) {
    Account& account = accounts_[name];
    account.requests.SetLimit(limits.requests_per_minute, now_us);
    account.tokens.SetLimit(limits.tokens_per_minute, now_us);
    return account;
  }
  void Refuse(const LimitAsk& ask, Account& account, const Quotas& quotas, int64_t now_us,
              int64_t now, LimitDecision& decision);

  const LimitClock clock_;
  std::mutex mutex_;
  // Nodes stay where they are, and accounts are never removed: permits point to them. As many as
  // there are keys.
  std::unordered_map<std::string, Account> accounts_;
};

// What a request was charged, in the windows it was charged to.
class LocalLimiter::Permit : public LimitPermit {
 public:
  Permit(LocalLimiter& limiter, Account& account, Quotas& quotas, const LimitAsk& ask)
      : limiter_(limiter),
        account_(account),
        quotas_(quotas),
        limits_(ask.limits),
        requests_(ask.requests),
        tokens_(ask.tokens),
        day_(quotas.tokens_day.window),
        month_(quotas.tokens_month.window) {}
  ~Permit() override {
    std::lock_guard lock(limiter_.mutex_);
    account_.running -= requests_;
  }
  void Settle(int64_t billed_tokens) override {
    std::lock_guard lock(limiter_.mutex_);
    ChargeTokens(billed_tokens - std::exchange(tokens_, billed_tokens));
  }
  void Cancel() override {
    std::lock_guard lock(limiter_.mutex_);
    ChargeTokens(-std::exchange(tokens_, 0));
    if (limits_.requests_per_minute != 0)
      account_.requests.Charge(-charged_requests_, limiter_.clock_.monotonic_us());
    if (quotas_.requests_day.window == day_) quotas_.requests_day.used -= charged_requests_;
    charged_requests_ = 0;
  }

 private:
  void ChargeTokens(int64_t more) {
    if (limits_.tokens_per_minute != 0)
      account_.tokens.Charge(more, limiter_.clock_.monotonic_us());
    if (quotas_.tokens_day.window == day_) quotas_.tokens_day.used += more;
    if (quotas_.tokens_month.window == month_) quotas_.tokens_month.used += more;
  }

  LocalLimiter& limiter_;
  Account& account_;
  Quotas& quotas_;  // of account_
  const KeyLimits limits_;
  const int64_t requests_;
  int64_t charged_requests_ = requests_;
  int64_t tokens_;
  const int64_t day_, month_;
};

// The first limit in the way, if any: concurrency, then rates, then quotas.
// now: Unix seconds, in the line of time of quotas.
void LocalLimiter::Refuse(const LimitAsk& ask, Account& account, const Quotas& quotas,
                          int64_t now_us, int64_t now, LimitDecision& decision) {
  const KeyLimits& limits = ask.limits;
  const auto refuse = [&](LimitKind kind, int64_t limit, int64_t used, int64_t asked,
                          int64_t wait_ms) {
    decision.refused_by = kind;
    decision.limit = limit;
    decision.used = used;
    decision.asked = asked;
    decision.retry_after_ms = asked > limit ? -1 : wait_ms;
  };
  if (limits.concurrent_requests != 0 &&
      account.running + ask.requests > limits.concurrent_requests)
    return refuse(LimitKind::kConcurrentRequests, limits.concurrent_requests, account.running,
                  ask.requests, kConcurrencyRetryMs);
  const auto rate = [&](LimitKind kind, TokenBucket& bucket, int64_t limit, int64_t asked) {
    if (limit == 0 || bucket.Available(now_us) >= asked) return;
    refuse(kind, limit, limit - bucket.Available(now_us), asked,
           (bucket.WaitUs(asked, now_us) + 999) / 1000);
  };
  const auto quota = [&](LimitKind kind, const Quota& used, int64_t limit, int64_t asked,
                         int64_t next_window) {
    if (limit == 0 || used.used + asked <= limit) return;
    refuse(kind, limit, used.used, asked, (next_window - now) * 1000);
  };
  rate(LimitKind::kRequestsPerMinute, account.requests, limits.requests_per_minute, ask.requests);
  if (decision.refused_by == LimitKind::kNone)
    rate(LimitKind::kTokensPerMinute, account.tokens, limits.tokens_per_minute, ask.tokens);
  if (decision.refused_by == LimitKind::kNone)
    quota(LimitKind::kRequestsPerDay, quotas.requests_day, limits.requests_per_day, ask.requests,
          DayStart(now) + kDayS);
  if (decision.refused_by == LimitKind::kNone)
    quota(LimitKind::kTokensPerDay, quotas.tokens_day, limits.tokens_per_day, ask.tokens,
          DayStart(now) + kDayS);
  if (decision.refused_by == LimitKind::kNone)
    quota(LimitKind::kTokensPerMonth, quotas.tokens_month, limits.tokens_per_month, ask.tokens,
          NextMonthStart(now));
}

LimitDecision LocalLimiter::Admit(const LimitAsk& ask) {
  LimitDecision decision;
  std::lock_guard lock(mutex_);
  const int64_t now_us = clock_.monotonic_us();
  Account& account = Enter(ask.account, ask.limits, now_us);
  const StoreClock::Reading now = clock_.now();
  Quotas& quotas = account.QuotasAt(now);
  quotas.Enter(now.unix_s());
  Refuse(ask, account, quotas, now_us, now.unix_s(), decision);
  if (decision.refused_by == LimitKind::kNone) {
    account.running += ask.requests;
    if (ask.limits.requests_per_minute != 0) account.requests.Charge(ask.requests, now_us);
    if (ask.limits.tokens_per_minute != 0) account.tokens.Charge(ask.tokens, now_us);
    quotas.requests_day.used += ask.requests;
    quotas.tokens_day.used += ask.tokens;
    quotas.tokens_month.used += ask.tokens;
    decision.permit = std::make_unique<Permit>(*this, account, quotas, ask);
  }
  decision.requests = NumbersOf(account.requests, ask.limits.requests_per_minute, now_us);
  decision.tokens = NumbersOf(account.tokens, ask.limits.tokens_per_minute, now_us);
  return decision;
}

}  // namespace

std::string ProjectAccount(const std::string& project, const std::string& model) {
  return "project:" + project + ":" + model;
}

const char* Name(LimitKind kind) {
  switch (kind) {
    case LimitKind::kNone:
      return "no limit";
    case LimitKind::kConcurrentRequests:
      return "concurrent requests";
    case LimitKind::kRequestsPerMinute:
      return "requests per minute";
    case LimitKind::kTokensPerMinute:
      return "tokens per minute";
    case LimitKind::kRequestsPerDay:
      return "requests per day";
    case LimitKind::kTokensPerDay:
      return "tokens per day";
    case LimitKind::kTokensPerMonth:
      return "tokens per month";
  }
  return "unknown";
}

LimitClock LimitClock::System() {
  return {[] {
            return std::chrono::duration_cast<std::chrono::microseconds>(
                       std::chrono::steady_clock::now().time_since_epoch())
                .count();
          },
          [] { return StoreClock::Reading{static_cast<int64_t>(std::time(nullptr)) * 1000}; }};
}

LimitClock LimitClock::Of(StoreClock& clock) {
  return {System().monotonic_us, [&clock] { return clock.Now(); }};
}

std::unique_ptr<Limiter> NewLocalLimiter(LimitClock clock, const std::vector<AccountUsage>& used) {
  return std::make_unique<LocalLimiter>(std::move(clock), used);
}

}  // namespace infe::store

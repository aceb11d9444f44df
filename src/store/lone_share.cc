#include "store/lone_share.h"

#include <algorithm>

#include "store/utc.h"

namespace infe::store {
namespace {

constexpr int64_t kSecondUs = 1'000'000;
// When to come back if the whole would have room and the share has not: the database may be there
// again by then.
constexpr int64_t kShareRetryMs = 1000;

}  // namespace

void LoneShare::Learn(const SharedState& state) {
  const SharedState before = std::exchange(seen_, state);
  // 0: it will be counted anew from the ledger at the next lease (ledger_boot.cc). Until then what
  // was seen before is the best there is.
  if (state.day == 0) {
    seen_.day = before.day;
    seen_.day_requests = before.day_requests;
    seen_.day_tokens = before.day_tokens;
  }
  if (state.month == 0) {
    seen_.month = before.month;
    seen_.month_tokens = before.month_tokens;
  }
  charged_ = {};
}

void LoneShare::LearnUsage(const AccountUsage& used, int64_t now_us) {
  seen_.day = DayStart(now_us / kSecondUs);
  seen_.day_requests = used.requests_today;
  seen_.day_tokens = used.tokens_today;
  seen_.month = MonthStart(now_us / kSecondUs);
  seen_.month_tokens = used.tokens_this_month;
}

// A day or month that begins meanwhile begins with nothing used.
void LoneShare::Roll(int64_t now_us) {
  if (const int64_t day = DayStart(now_us / kSecondUs); day > seen_.day) {
    seen_.day = day;
    seen_.day_requests = seen_.day_tokens = 0;
    charged_.day_requests = charged_.day_tokens = 0;
  }
  if (const int64_t month = MonthStart(now_us / kSecondUs); month > seen_.month) {
    seen_.month = month;
    seen_.month_tokens = charged_.month_tokens = 0;
  }
}

void LoneShare::ChargeOwed(const Ask& ask) {
  const auto newly = [&](int64_t LimitPieces::* piece) {
    const int64_t more = ask.owed.*piece - charged_.*piece;
    return more * ask.processes;
  };
  if (ask.limits.requests_per_minute != 0)
    seen_.requests.Charge(newly(&LimitPieces::requests), ask.now_us);
  if (ask.limits.tokens_per_minute != 0)
    seen_.tokens.Charge(newly(&LimitPieces::tokens), ask.now_us);
  seen_.day_requests += newly(&LimitPieces::day_requests);
  seen_.day_tokens += newly(&LimitPieces::day_tokens);
  seen_.month_tokens += newly(&LimitPieces::month_tokens);
  charged_ = ask.owed;
}

LoneShare::Verdict LoneShare::Judge(const Ask& ask) {
  const KeyLimits& limits = ask.limits;
  seen_.requests.SetLimit(limits.requests_per_minute, ask.now_us);
  seen_.tokens.SetLimit(limits.tokens_per_minute, ask.now_us);
  Roll(ask.now_us);
  ChargeOwed(ask);
  Verdict verdict;
  const auto refuse = [&](LimitKind kind, int64_t limit, int64_t used, int64_t wait_ms) {
    verdict = {kind, limit, used, std::max<int64_t>(wait_ms, 1)};
  };
  const auto free = [&] { return verdict.refused_by == LimitKind::kNone; };
  const int64_t others = std::max<int64_t>(seen_.slots - ask.slots, 0);
  const int64_t slots_left = limits.concurrent_requests - others - ask.slots;
  if (limits.concurrent_requests != 0 && ask.new_slots > 0 &&
      ask.new_slots * ask.processes > slots_left)
    refuse(LimitKind::kConcurrentRequests, limits.concurrent_requests, others + ask.slots,
           kConcurrencyRetryMs);
  const auto rate = [&](LimitKind kind, TokenBucket& bucket, int64_t limit, int64_t more) {
    const int64_t wanted = more * ask.processes;
    if (!free() || limit == 0 || more <= 0 || bucket.Available(ask.now_us) >= wanted) return;
    const bool ever = wanted <= limit;
    refuse(kind, limit, limit - bucket.Available(ask.now_us),
           ever ? (bucket.WaitUs(wanted, ask.now_us) + 999) / 1000 : kShareRetryMs);
  };
  const auto quota = [&](LimitKind kind, int64_t limit, int64_t used, int64_t more, int64_t next) {
    if (!free() || limit == 0 || more <= 0 || used + more * ask.processes <= limit) return;
    const bool spent = used + more > limit;
    refuse(kind, limit, used, spent ? (next - ask.now_us / kSecondUs) * 1000 : kShareRetryMs);
  };
  rate(LimitKind::kRequestsPerMinute, seen_.requests, limits.requests_per_minute,
       ask.more.requests);
  rate(LimitKind::kTokensPerMinute, seen_.tokens, limits.tokens_per_minute, ask.more.tokens);
  quota(LimitKind::kRequestsPerDay, limits.requests_per_day, seen_.day_requests,
        ask.more.day_requests, seen_.day + kDayS);
  quota(LimitKind::kTokensPerDay, limits.tokens_per_day, seen_.day_tokens, ask.more.day_tokens,
        seen_.day + kDayS);
  quota(LimitKind::kTokensPerMonth, limits.tokens_per_month, seen_.month_tokens,
        ask.more.month_tokens, NextMonthStart(ask.now_us / kSecondUs));
  return verdict;
}

}  // namespace infe::store

#include "store/limit_state.h"

#include <algorithm>

#include "store/ledger_boot.h"
#include "store/token_bucket.h"
#include "store/utc.h"

namespace infe::store {
namespace {

struct State : SharedState {
  int64_t now_us = 0;  // the database's clock
  int64_t others_slots = 0;
  int64_t now_s() const { return now_us / 1'000'000; }
};

// What the account has used since `from`, by the ledger; an open request counts what it reserved.
struct Used {
  int64_t requests = 0, tokens = 0;
};
Result<Used> UsedSince(SqlConnection& connection, const std::string& account, int64_t from) {
  const bool project = account.starts_with("project:");  // as ProjectAccount makes them
  INFE_ASSIGN(const SqlRows rows,
              connection.Query(std::string("SELECT count(*), coalesce(sum(CASE WHEN state = 0 THEN"
                                           " reserved_tokens ELSE prompt_tokens - cached_tokens +"
                                           " completion_tokens END), 0) FROM usage WHERE ") +
                                   (project ? "'project:' || project || ':' || model" : "account") +
                                   " = $1 AND started_ms >= $2",
                               {account, from * 1000}));
  return Used{rows.Int(0, 0), rows.Int(0, 1)};
}

// Locks the account's row, making it if need be.
Result<State> LockState(SqlConnection& connection, const LeaseAsk& ask) {
  const std::string select =
      "SELECT requests_per_minute, tokens_per_minute, requests_level, tokens_level, level_at, day,"
      " day_requests, day_tokens, month, month_tokens,"
      " CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"
      " FROM limit_state WHERE account = $1 FOR UPDATE";
  INFE_ASSIGN(SqlRows rows, connection.Query(select, {ask.account}));
  if (rows.empty()) {
    INFE_TRY(
        connection.Query("INSERT INTO limit_state VALUES ($1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)"
                         " ON CONFLICT (account) DO NOTHING",
                         {ask.account}));
    INFE_ASSIGN(rows, connection.Query(select, {ask.account}));
    if (rows.empty()) return Internal("the shared limits lost an account's row");
  }
  State state;
  state.now_us = rows.Int(0, 10);
  state.requests = TokenBucket(rows.Int(0, 0), rows.Int(0, 2), rows.Int(0, 4));
  state.tokens = TokenBucket(rows.Int(0, 1), rows.Int(0, 3), rows.Int(0, 4));
  state.requests.SetLimit(ask.limits.requests_per_minute, state.now_us);
  state.tokens.SetLimit(ask.limits.tokens_per_minute, state.now_us);
  state.day = rows.Int(0, 5);
  state.day_requests = rows.Int(0, 6);
  state.day_tokens = rows.Int(0, 7);
  state.month = rows.Int(0, 8);
  state.month_tokens = rows.Int(0, 9);
  if (ask.new_slots > 0) {
    // A statement of its own, after the lock: it must see what the last holder of the lock wrote.
    INFE_ASSIGN(const SqlRows slots,
                connection.Query("SELECT coalesce(sum(slots), 0) FROM limit_slots"
                                 " WHERE account = $1 AND boot <> $2 AND renewed_at > $3",
                                 {ask.account, ask.boot, state.now_s() - kHeartbeatLostS}));
    state.others_slots = slots.Int(0, 0);
  }
  if (const int64_t day = DayStart(state.now_s()); day != state.day) {
    INFE_ASSIGN(const Used used, UsedSince(connection, ask.account, day));
    state.day = day;
    state.day_requests = used.requests;
    state.day_tokens = used.tokens;
  }
  if (const int64_t month = MonthStart(state.now_s()); month != state.month) {
    INFE_ASSIGN(const Used used, UsedSince(connection, ask.account, month));
    state.month = month;
    state.month_tokens = used.tokens;
  }
  return state;
}

// A bucket without a limit counts nothing: it would be full or in debt for ever.
void Charge(TokenBucket& bucket, int64_t tokens, int64_t now_us) {
  if (bucket.per_minute() != 0) bucket.Charge(tokens, now_us);
}

void GiveBack(const LeaseAsk& ask, State& state) {
  const LimitPieces& back = ask.give_back;
  Charge(state.requests, -back.requests, state.now_us);
  Charge(state.tokens, -back.tokens, state.now_us);
  if (ask.day == state.day) {
    state.day_requests = std::max<int64_t>(state.day_requests - back.day_requests, 0);
    state.day_tokens = std::max<int64_t>(state.day_tokens - back.day_tokens, 0);
  }
  if (ask.month == state.month)
    state.month_tokens = std::max<int64_t>(state.month_tokens - back.month_tokens, 0);
}

// The first limit that the need does not fit, in the order of limits.cc.
void FindRefusal(const LeaseAsk& ask, State& state, LeaseAnswer& answer) {
  const KeyLimits& limits = ask.limits;
  const auto refuse = [&](LimitKind kind, int64_t limit, int64_t used, int64_t wait_ms) {
    answer.refused_by = kind;
    answer.limit = limit;
    answer.used = used;
    answer.retry_after_ms = wait_ms;
  };
  const int64_t slots = state.others_slots + ask.slots;
  if (ask.new_slots > 0 && slots + ask.new_slots > limits.concurrent_requests)
    return refuse(LimitKind::kConcurrentRequests, limits.concurrent_requests, slots,
                  kConcurrencyRetryMs);
  const auto rate = [&](LimitKind kind, TokenBucket& bucket, int64_t limit, int64_t need) {
    if (answer.refused_by != LimitKind::kNone || limit == 0 || need <= 0 ||
        bucket.Available(state.now_us) >= need)
      return;
    refuse(kind, limit, limit - bucket.Available(state.now_us),
           (bucket.WaitUs(need, state.now_us) + 999) / 1000);
  };
  const auto quota = [&](LimitKind kind, int64_t limit, int64_t used, int64_t need, int64_t next) {
    if (answer.refused_by != LimitKind::kNone || limit == 0 || need <= 0 || used + need <= limit)
      return;
    refuse(kind, limit, used, (next - state.now_s()) * 1000);
  };
  rate(LimitKind::kRequestsPerMinute, state.requests, limits.requests_per_minute,
       ask.need.requests);
  rate(LimitKind::kTokensPerMinute, state.tokens, limits.tokens_per_minute, ask.need.tokens);
  quota(LimitKind::kRequestsPerDay, limits.requests_per_day, state.day_requests,
        ask.need.day_requests, state.day + kDayS);
  quota(LimitKind::kTokensPerDay, limits.tokens_per_day, state.day_tokens, ask.need.day_tokens,
        state.day + kDayS);
  quota(LimitKind::kTokensPerMonth, limits.tokens_per_month, state.month_tokens,
        ask.need.month_tokens, NextMonthStart(state.now_s()));
}

void Grant(const LeaseAsk& ask, State& state, LeaseAnswer& answer) {
  const auto take = [](int64_t need, int64_t extra, int64_t there) {
    return need + std::clamp<int64_t>(there - need, 0, extra);
  };
  LimitPieces& granted = answer.granted;
  granted.requests =
      take(ask.need.requests, ask.extra.requests, state.requests.Available(state.now_us));
  granted.tokens = take(ask.need.tokens, ask.extra.tokens, state.tokens.Available(state.now_us));
  granted.day_requests = take(ask.need.day_requests, ask.extra.day_requests,
                              ask.limits.requests_per_day - state.day_requests);
  granted.day_tokens =
      take(ask.need.day_tokens, ask.extra.day_tokens, ask.limits.tokens_per_day - state.day_tokens);
  granted.month_tokens = take(ask.need.month_tokens, ask.extra.month_tokens,
                              ask.limits.tokens_per_month - state.month_tokens);
  Charge(state.requests, granted.requests, state.now_us);
  Charge(state.tokens, granted.tokens, state.now_us);
  state.day_requests += granted.day_requests;
  state.day_tokens += granted.day_tokens;
  state.month_tokens += granted.month_tokens;
}

RateNumbers NumbersOf(TokenBucket& bucket, int64_t now_us) {
  if (bucket.per_minute() == 0) return {};
  return {bucket.per_minute(), std::max<int64_t>(bucket.Available(now_us), 0),
          (bucket.FullInUs(now_us) + 999) / 1000};
}

Result<void> Save(SqlConnection& connection, const LeaseAsk& ask, const State& state) {
  INFE_TRY(connection.Query(
      "UPDATE limit_state SET requests_per_minute = $1, tokens_per_minute = $2,"
      " requests_level = $3, tokens_level = $4, level_at = $5, day = $6, day_requests = $7,"
      " day_tokens = $8, month = $9, month_tokens = $10 WHERE account = $11",
      {state.requests.per_minute(), state.tokens.per_minute(), state.requests.level(),
       state.tokens.level(), state.now_us, state.day, state.day_requests, state.day_tokens,
       state.month, state.month_tokens, ask.account}));
  return {};
}

Result<void> SaveSlots(SqlConnection& connection, const LeaseAsk& ask, int64_t slots, int64_t now) {
  INFE_TRY(connection.Query(
      "INSERT INTO limit_slots (account, boot, slots, renewed_at) VALUES ($1, $2, $3, $4)"
      " ON CONFLICT (account, boot) DO UPDATE SET slots = excluded.slots,"
      " renewed_at = excluded.renewed_at",
      {ask.account, ask.boot, slots, now}));
  return {};
}

}  // namespace

Result<LeaseAnswer> Lease(SqlConnection& connection, const LeaseAsk& ask) {
  INFE_ASSIGN(SqlTransaction transaction, SqlTransaction::Begin(connection));
  INFE_ASSIGN(State state, LockState(connection, ask));
  LeaseAnswer answer;
  GiveBack(ask, state);
  FindRefusal(ask, state, answer);
  const bool granted = answer.refused_by == LimitKind::kNone;
  if (granted) Grant(ask, state, answer);
  if (ask.limits.concurrent_requests != 0)
    INFE_TRY(SaveSlots(connection, ask, ask.slots + (granted ? ask.new_slots : 0), state.now_s()));
  answer.day = state.day;
  answer.month = state.month;
  answer.state = state;
  answer.state.slots = state.others_slots + ask.slots + (granted ? ask.new_slots : 0);
  answer.now_us = state.now_us;
  answer.requests = NumbersOf(state.requests, state.now_us);
  answer.tokens = NumbersOf(state.tokens, state.now_us);
  INFE_TRY(Save(connection, ask, state));
  INFE_TRY(transaction.Commit());
  return answer;
}

Result<LimitsView> LookAtLimits(SqlConnection& connection, int64_t since_us) {
  LimitsView view;
  INFE_ASSIGN(const SqlRows now,
              Read(connection,
                   "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT),"
                   " (SELECT count(*) FROM ledger_boot WHERE heartbeat_at >"
                   " extract(epoch FROM clock_timestamp()) - $1)",
                   {kHeartbeatLostS}));
  view.now_us = now.Int(0, 0);
  view.processes = std::max<int64_t>(now.Int(0, 1), 1);
  INFE_ASSIGN(
      const SqlRows rows,
      Read(connection,
           "SELECT account, requests_per_minute, tokens_per_minute, requests_level, tokens_level,"
           " level_at, day, day_requests, day_tokens, month, month_tokens,"
           " (SELECT coalesce(sum(slots), 0) FROM limit_slots"
           " WHERE limit_slots.account = limit_state.account AND renewed_at > $1)"
           " FROM limit_state WHERE level_at >= $2",
           {view.now_us / 1'000'000 - kHeartbeatLostS, since_us}));
  for (size_t i = 0; i < rows.size(); ++i) {
    SharedState state;
    state.requests = TokenBucket(rows.Int(i, 1), rows.Int(i, 3), rows.Int(i, 5));
    state.tokens = TokenBucket(rows.Int(i, 2), rows.Int(i, 4), rows.Int(i, 5));
    state.day = rows.Int(i, 6);
    state.day_requests = rows.Int(i, 7);
    state.day_tokens = rows.Int(i, 8);
    state.month = rows.Int(i, 9);
    state.month_tokens = rows.Int(i, 10);
    state.slots = rows.Int(i, 11);
    view.changed.emplace_back(rows.Text(i, 0), state);
  }
  return view;
}

}  // namespace infe::store

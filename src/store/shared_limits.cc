#include "store/shared_limits.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include "store/limit_state.h"
#include "store/lone_share.h"
#include "store/utc.h"

namespace infe::store {
namespace {

// A process keeps at most this part of a limit leased without using it.
constexpr int64_t kLeaseShare = 100;
// After a failure the database is left alone for so long.
constexpr int64_t kRetryUs = 1'000'000;
// Slots are renewed well before others take them for a dead process's (ledger_boot.h).
constexpr int64_t kRenewUs = 5'000'000;
// A refusal of the database stands in memory for so long at most: many refused requests must not
// become as many transactions.
constexpr int64_t kRefusalUs = 50'000;

// A look asks again for what changed this long before the last one: a transaction reads the clock
// some time before others see what it wrote.
constexpr int64_t kLookOverlapUs = 5'000'000;

// How long a tick waits for its turn; requests wait for theirs much less.
constexpr std::chrono::seconds kTickPatience{5};

// The kinds of pieces with the limit of each.
struct PieceKind {
  int64_t LimitPieces::* piece;
  int64_t KeyLimits::* limit;
  LimitKind kind;
};
constexpr std::array<PieceKind, 5> kPieces = {{
    {&LimitPieces::requests, &KeyLimits::requests_per_minute, LimitKind::kRequestsPerMinute},
    {&LimitPieces::tokens, &KeyLimits::tokens_per_minute, LimitKind::kTokensPerMinute},
    {&LimitPieces::day_requests, &KeyLimits::requests_per_day, LimitKind::kRequestsPerDay},
    {&LimitPieces::day_tokens, &KeyLimits::tokens_per_day, LimitKind::kTokensPerDay},
    {&LimitPieces::month_tokens, &KeyLimits::tokens_per_month, LimitKind::kTokensPerMonth},
}};

void Add(LimitPieces& to, const LimitPieces& what, int64_t sign) {
  for (const PieceKind& kind : kPieces) to.*kind.piece += sign * (what.*kind.piece);
}

LimitPieces PiecesOf(const LimitAsk& ask) {
  return {ask.requests, ask.tokens, ask.requests, ask.tokens, ask.tokens};
}

// What a request asks of one limit.
int64_t AskedOf(const LimitAsk& ask, LimitKind limit) {
  const LimitPieces pieces = PiecesOf(ask);
  for (const PieceKind& kind : kPieces)
    if (kind.kind == limit) return pieces.*kind.piece;
  return ask.requests;  // slots
}

struct Account {
  KeyLimits limits;
  LimitPieces held;            // leased and not spent; negative: owed
  LimitPieces pending;         // of held: spent by requests that nobody has let in yet
  int64_t day = 0, month = 0;  // windows of the quotas' pieces
  int64_t slots = 0, running = 0;
  bool changed = false;  // the tick looks at it
  int64_t renewed_us = 0;
  RateNumbers requests, tokens;  // of the shared buckets at numbers_us
  int64_t numbers_us = 0;
  // The last refusal by the database: asking for as much is refused until then without asking.
  LimitDecision refusal;
  int64_t refused_until_us = 0, refused_at_us = 0;
  LoneShare share;  // for the time without the database
  bool share_known = false;

  // What was spent and never leased.
  LimitPieces Owed() const {
    LimitPieces owed;
    for (const PieceKind& kind : kPieces)
      owed.*kind.piece = std::max<int64_t>(-(held.*kind.piece), 0);
    return owed;
  }
};

RateNumbers Extrapolate(RateNumbers shared, int64_t held, int64_t elapsed_us) {
  if (shared.limit == 0) return {};
  const auto refill =
      static_cast<int64_t>(static_cast<__int128>(elapsed_us) * shared.limit / 60'000'000);
  RateNumbers now = shared;
  now.remaining =
      std::clamp<int64_t>(shared.remaining + std::max<int64_t>(held, 0) + refill, 0, shared.limit);
  now.reset_ms = (shared.limit - now.remaining) * 60'000 / shared.limit;
  return now;
}

// The part of a decision that can be told again.
void CopyRefusal(const LimitDecision& from, LimitDecision& to) {
  to.refused_by = from.refused_by;
  to.retry_after_ms = from.retry_after_ms;
  to.limit = from.limit;
  to.used = from.used;
  to.asked = from.asked;
}

// Whose turn it is to use the connection. Not a std::timed_mutex: the thread sanitizer of g++ 12
// does not know its timed lock.
class Turnstile {
 public:
  bool Take(std::chrono::milliseconds wait) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, wait, [this] { return !taken_; })) return false;
    taken_ = true;
    return true;
  }
  void Leave() {
    {
      std::lock_guard lock(mutex_);
      taken_ = false;
    }
    changed_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool taken_ = false;
};

// A turn, for its life.
class Turn {
 public:
  Turn(Turnstile& turnstile, std::chrono::milliseconds wait)
      : turnstile_(turnstile), taken_(turnstile.Take(wait)) {}
  ~Turn() {
    if (taken_) turnstile_.Leave();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  bool taken() const { return taken_; }

 private:
  Turnstile& turnstile_;
  const bool taken_;
};

}  // namespace

struct SharedLimiter::Impl {
  Impl(std::unique_ptr<SqlConnection> database, int64_t boot_id,
       const std::vector<AccountUsage>& used, const SharedLimitOptions& limit_options)
      : options(limit_options), boot(boot_id), connection(std::move(database)) {
    for (const AccountUsage& usage : used) used_at_start.emplace(usage.account, usage);
  }

  LimitDecision Admit(const LimitAsk& ask);
  enum class Outcome { kGranted, kRefused, kNoAnswer };
  Outcome Borrow(Account& account, const LimitAsk& ask, std::unique_lock<std::mutex>& lock,
                 LimitDecision& decision);
  Result<LeaseAnswer> AskDatabase(const LeaseAsk& ask);
  LimitDecision AdmitAlone(Account& account, const LimitAsk& ask);
  bool Look();
  void TakeBack(Account& account, const LeaseAsk& ask);
  void EnterWindows(Account& account, int64_t now_us);
  // The database's clock, by what it said last and the time since.
  int64_t DatabaseNow() const { return clock.monotonic_us() + database_ahead_us; }
  bool RefuseAtOnce(const Account& account, const LimitAsk& ask, int64_t now, LimitDecision& out);
  LeaseAsk MakeAsk(Account& account, const LimitAsk& ask) const;
  void Apply(Account& account, const LeaseAnswer& answer);
  void Undo(Account& account, const LimitAsk& ask);
  void Tick(bool everything);
  bool MakeReturn(const std::string& name, Account& account, bool everything, LeaseAsk& ask);
  void Run();
  void FillNumbers(const Account& account, LimitDecision& decision) const;

  const SharedLimitOptions options;
  const int64_t boot;
  const LimitClock clock = LimitClock::System();

  Turnstile connection_turn;  // taken before `mutex`, never after
  const std::unique_ptr<SqlConnection> connection;

  mutable std::mutex mutex;
  std::condition_variable stopping_changed;
  // Nodes stay where they are and are never removed: permits point to them.
  std::unordered_map<std::string, Account> accounts;
  int64_t down_until_us = 0;  // the database did not answer
  bool down = false, stopping = false;
  // From the last look at the database.
  int64_t processes = 1, database_ahead_us = 0, looked_us = 0;
  std::unordered_map<std::string, AccountUsage> used_at_start;  // by account, from the ledger
  std::thread ticker;
};

namespace {

// Of an account without limits: nothing is counted.
class FreePermit : public LimitPermit {
 public:
  void Settle(int64_t) override {}
  void Cancel() override {}
};

class SharedPermit : public LimitPermit {
 public:
  SharedPermit(std::mutex& mutex, Account& account, const LimitAsk& ask)
      : mutex_(mutex),
        account_(account),
        requests_(ask.requests),
        tokens_(ask.tokens),
        day_(account.day),
        month_(account.month) {}
  ~SharedPermit() override {
    std::lock_guard lock(mutex_);
    account_.running -= requests_;
    account_.changed = true;
  }
  void Settle(int64_t billed_tokens) override {
    std::lock_guard lock(mutex_);
    Return(0, std::exchange(tokens_, billed_tokens) - billed_tokens);
  }
  void Cancel() override {
    std::lock_guard lock(mutex_);
    Return(std::exchange(charged_requests_, 0), std::exchange(tokens_, 0));
  }

 private:
  void Return(int64_t requests, int64_t tokens) {
    account_.held.requests += requests;
    account_.held.tokens += tokens;
    if (account_.day == day_) {
      account_.held.day_requests += requests;
      account_.held.day_tokens += tokens;
    }
    if (account_.month == month_) account_.held.month_tokens += tokens;
    account_.changed = true;
  }

  std::mutex& mutex_;
  Account& account_;
  const int64_t requests_;
  int64_t charged_requests_ = requests_;
  int64_t tokens_;
  const int64_t day_, month_;
};

}  // namespace

void SharedLimiter::Impl::FillNumbers(const Account& account, LimitDecision& decision) const {
  const int64_t elapsed = clock.monotonic_us() - account.numbers_us;
  decision.requests = Extrapolate(account.requests, account.held.requests, elapsed);
  decision.tokens = Extrapolate(account.tokens, account.held.tokens, elapsed);
}

// What needs no question: more than a whole limit, or as much as was refused a moment ago.
bool SharedLimiter::Impl::RefuseAtOnce(const Account& account, const LimitAsk& ask, int64_t now,
                                       LimitDecision& out) {
  const LimitPieces pieces = PiecesOf(ask);
  for (const PieceKind& kind : kPieces) {
    const int64_t limit = ask.limits.*kind.limit, asked = pieces.*kind.piece;
    if (limit == 0 || asked <= limit) continue;
    out.refused_by = kind.kind;
    out.retry_after_ms = -1;
    out.limit = limit;
    out.asked = asked;
    return true;
  }
  if (now >= account.refused_until_us) return false;
  const int64_t asked = AskedOf(ask, account.refusal.refused_by);
  if (asked < account.refusal.asked) return false;
  CopyRefusal(account.refusal, out);
  out.asked = asked;
  out.retry_after_ms =
      std::max<int64_t>(out.retry_after_ms - (now - account.refused_at_us) / 1000, 1);
  return true;
}

// What is missing after the request has been spent, and a little more.
LeaseAsk SharedLimiter::Impl::MakeAsk(Account& account, const LimitAsk& ask) const {
  LeaseAsk lease;
  lease.account = ask.account;
  lease.limits = ask.limits;
  lease.boot = boot;
  lease.day = account.day;
  lease.month = account.month;
  for (const PieceKind& kind : kPieces) {
    const int64_t limit = ask.limits.*kind.limit;
    if (limit == 0 || account.held.*kind.piece >= 0) continue;
    lease.need.*kind.piece = -(account.held.*kind.piece);
    lease.extra.*kind.piece = limit / kLeaseShare;
  }
  lease.slots = account.slots;
  if (ask.limits.concurrent_requests != 0)
    lease.new_slots = std::max<int64_t>(account.running - account.slots, 0);
  return lease;
}

// In a new window nothing is held but what undecided requests have spent.
void SharedLimiter::Impl::Apply(Account& account, const LeaseAnswer& answer) {
  if (account.day != answer.day) {
    account.day = answer.day;
    account.held.day_requests = -account.pending.day_requests;
    account.held.day_tokens = -account.pending.day_tokens;
  }
  if (account.month != answer.month) {
    account.month = answer.month;
    account.held.month_tokens = -account.pending.month_tokens;
  }
  Add(account.held, answer.granted, 1);
  account.requests = answer.requests;
  account.tokens = answer.tokens;
  account.numbers_us = clock.monotonic_us();
  account.changed = true;
  account.share.Learn(answer.state);
  account.share_known = true;
  database_ahead_us = answer.now_us - account.numbers_us;
}

void SharedLimiter::Impl::Undo(Account& account, const LimitAsk& ask) {
  Add(account.held, PiecesOf(ask), 1);
  account.running -= ask.requests;
  account.changed = true;
}

// A connection that broke is opened again at once and asked again: a failover, a pool or a firewall
// closes connections every day, and that is no reason to decide alone. If the answer to the first
// got lost, what it granted is lost too, which errs to the safe side: `ask` gives nothing back.
Result<LeaseAnswer> SharedLimiter::Impl::AskDatabase(const LeaseAsk& ask) {
  auto answer = Lease(*connection, ask);
  if (answer || connection->alive()) return answer;
  INFE_TRY(connection->Reconnect());
  return Lease(*connection, ask);
}

// Leases what the account owes after the request has been spent. The mutex is held before and
// after, not while the database works.
SharedLimiter::Impl::Outcome SharedLimiter::Impl::Borrow(Account& account, const LimitAsk& ask,
                                                         std::unique_lock<std::mutex>& lock,
                                                         LimitDecision& decision) {
  lock.unlock();
  const Turn turn(connection_turn, std::chrono::milliseconds(options.wait_ms));
  Result<LeaseAnswer> answer = Internal("the shared limits are busy");
  LeaseAsk lease;
  if (turn.taken()) {
    lock.lock();
    lease = MakeAsk(account, ask);  // a lease of another request may have brought enough
    lock.unlock();
    answer = AskDatabase(lease);
  }
  lock.lock();
  const int64_t now = clock.monotonic_us();
  if (!answer) {
    if (turn.taken()) {
      down = true;
      down_until_us = now + kRetryUs;
    }
    return Outcome::kNoAnswer;
  }
  Apply(account, *answer);
  if (answer->refused_by == LimitKind::kNone) {
    account.slots += lease.new_slots;
    account.renewed_us = now;
    return Outcome::kGranted;
  }
  decision.refused_by = answer->refused_by;
  decision.limit = answer->limit;
  decision.used = answer->used;
  decision.retry_after_ms = std::max<int64_t>(answer->retry_after_ms, 1);
  decision.asked = AskedOf(ask, answer->refused_by);
  CopyRefusal(decision, account.refusal);
  account.refused_at_us = now;
  account.refused_until_us = now + std::min(kRefusalUs, decision.retry_after_ms * 1000);
  return Outcome::kRefused;
}

LimitDecision SharedLimiter::Impl::Admit(const LimitAsk& ask) {
  LimitDecision decision;
  if (ask.limits == KeyLimits{}) {
    decision.permit = std::make_unique<FreePermit>();
    return decision;
  }
  std::unique_lock lock(mutex);
  Account& account = accounts[ask.account];
  account.limits = ask.limits;
  if (down) return AdmitAlone(account, ask);
  if (RefuseAtOnce(account, ask, clock.monotonic_us(), decision)) {
    FillNumbers(account, decision);
    return decision;
  }
  // Spent first: whoever comes meanwhile sees what is left.
  Add(account.held, PiecesOf(ask), -1);
  account.running += ask.requests;
  account.changed = true;
  const LeaseAsk missing = MakeAsk(account, ask);
  Outcome outcome = Outcome::kGranted;
  if (missing.new_slots > 0 || missing.need != LimitPieces{}) {
    Add(account.pending, PiecesOf(ask), 1);
    outcome = Borrow(account, ask, lock, decision);
    Add(account.pending, PiecesOf(ask), -1);
  }
  if (outcome == Outcome::kGranted)
    decision.permit = std::make_unique<SharedPermit>(mutex, account, ask);
  else
    Undo(account, ask);
  if (outcome == Outcome::kNoAnswer) return AdmitAlone(account, ask);
  FillNumbers(account, decision);
  return decision;
}

// Where a day or month has begun while the database was away.
void SharedLimiter::Impl::EnterWindows(Account& account, int64_t now_us) {
  if (const int64_t day = DayStart(now_us / 1'000'000); day > account.day) {
    account.day = day;
    account.held.day_requests = -account.pending.day_requests;
    account.held.day_tokens = -account.pending.day_tokens;
  }
  if (const int64_t month = MonthStart(now_us / 1'000'000); month > account.month) {
    account.month = month;
    account.held.month_tokens = -account.pending.month_tokens;
  }
}

// Without the database: what is leased already, then this process's share of what was left there
// when it was last seen. What is spent beyond the leases is owed, and goes to the database when it
// is back. The mutex is held.
LimitDecision SharedLimiter::Impl::AdmitAlone(Account& account, const LimitAsk& ask) {
  LimitDecision decision;
  const int64_t now_us = DatabaseNow();
  if (RefuseAtOnce(account, ask, clock.monotonic_us(), decision)) {
    FillNumbers(account, decision);
    return decision;
  }
  if (!account.share_known) {
    const auto used = used_at_start.find(ask.account);
    if (used != used_at_start.end()) account.share.LearnUsage(used->second, now_us);
    account.share_known = true;
  }
  EnterWindows(account, now_us);
  LoneShare::Ask lone;
  lone.limits = ask.limits;
  lone.owed = account.Owed();
  lone.slots = account.slots;
  lone.processes = processes;
  lone.now_us = now_us;
  Add(account.held, PiecesOf(ask), -1);
  account.running += ask.requests;
  account.changed = true;
  lone.more = account.Owed();
  Add(lone.more, lone.owed, -1);
  lone.new_slots = std::max<int64_t>(account.running - account.slots, 0);
  const LoneShare::Verdict verdict = account.share.Judge(lone);
  if (verdict.refused_by == LimitKind::kNone) {
    decision.permit = std::make_unique<SharedPermit>(mutex, account, ask);
  } else {
    Undo(account, ask);
    decision.refused_by = verdict.refused_by;
    decision.limit = verdict.limit;
    decision.used = verdict.used;
    decision.retry_after_ms = verdict.retry_after_ms;
    decision.asked = AskedOf(ask, verdict.refused_by);
  }
  FillNumbers(account, decision);
  return decision;
}

// What an account should give back now, taken out of its hands. False: nothing. What undecided
// requests have spent is not owed: paying it would let them in unasked.
bool SharedLimiter::Impl::MakeReturn(const std::string& name, Account& account, bool everything,
                                     LeaseAsk& ask) {
  const int64_t now = clock.monotonic_us();
  ask = {};
  ask.account = name;
  ask.limits = account.limits;
  ask.boot = boot;
  ask.day = account.day;
  ask.month = account.month;
  for (const PieceKind& kind : kPieces) {
    const int64_t held = account.held.*kind.piece;
    const int64_t keep = everything ? 0 : account.limits.*kind.limit / kLeaseShare;
    const int64_t owed = std::min<int64_t>(held + account.pending.*kind.piece, 0);
    ask.give_back.*kind.piece = held > keep ? held - keep : owed;
  }
  const bool idle_slots = account.slots > account.running;
  const bool renew = account.slots > 0 && now - account.renewed_us > kRenewUs;
  if (ask.give_back == LimitPieces{} && !idle_slots && !renew) return false;
  Add(account.held, ask.give_back, -1);
  account.slots = std::min(account.slots, account.running);
  ask.slots = account.slots;
  account.renewed_us = now;
  return true;
}

// Asks how things stand, opening the connection again if need be. False: there is no answer, and
// from now on each process is on its own.
bool SharedLimiter::Impl::Look() {
  const auto view = LookAtLimits(*connection, looked_us - kLookOverlapUs);
  const std::lock_guard lock(mutex);
  down = !view;
  if (down) {
    down_until_us = clock.monotonic_us() + kRetryUs;
    return false;
  }
  processes = view->processes;
  database_ahead_us = view->now_us - clock.monotonic_us();
  looked_us = view->now_us;
  for (const auto& [name, state] : view->changed) {
    Account& account = accounts[name];
    account.share.Learn(state);
    account.share_known = true;
  }
  return true;
}

void SharedLimiter::Impl::Tick(bool everything) {
  const Turn turn(connection_turn, kTickPatience);
  if (!turn.taken() || !Look()) return;
  std::unique_lock lock(mutex);
  // Taken first: an account that comes while the database works may rebuild the table.
  std::vector<std::pair<const std::string*, Account*>> busy;
  for (auto& [name, account] : accounts)
    if (account.changed || account.held != LimitPieces{} || account.slots != 0)
      busy.emplace_back(&name, &account);
  for (const auto& [name, pointer] : busy) {
    Account& account = *pointer;
    // An account at rest gives all back at its second quiet tick.
    const bool quiet = !account.changed;
    account.changed = false;
    LeaseAsk ask;
    if (!MakeReturn(*name, account, everything || quiet, ask)) continue;
    lock.unlock();
    const auto answer = Lease(*connection, ask);
    lock.lock();
    if (!answer) {
      TakeBack(account, ask);
      return;  // the next tick looks whether the database is there
    }
    Apply(account, *answer);
    account.changed = false;
  }
}

// A return that failed. If the connection broke nobody knows whether the database took it: then
// what is owed is owed still, and what was given is given, so that it cannot be spent twice.
void SharedLimiter::Impl::TakeBack(Account& account, const LeaseAsk& ask) {
  LimitPieces back = ask.give_back;
  if (!connection->alive())
    for (const PieceKind& kind : kPieces) back.*kind.piece = std::min<int64_t>(back.*kind.piece, 0);
  if (ask.day != account.day) back.day_requests = back.day_tokens = 0;
  if (ask.month != account.month) back.month_tokens = 0;
  Add(account.held, back, 1);
  account.changed = true;
}

void SharedLimiter::Impl::Run() {
  std::unique_lock lock(mutex);
  while (!stopping_changed.wait_for(lock, std::chrono::milliseconds(options.tick_ms),
                                    [this] { return stopping; })) {
    if (down && clock.monotonic_us() < down_until_us) continue;
    lock.unlock();
    Tick(false);
    lock.lock();
  }
}

Result<std::unique_ptr<SharedLimiter>> SharedLimiter::Open(Connector connect, int64_t boot,
                                                           const std::vector<AccountUsage>& used,
                                                           const SharedLimitOptions& options) {
  INFE_ASSIGN(std::unique_ptr<SqlConnection> connection, connect());
  auto impl = std::make_unique<Impl>(std::move(connection), boot, used, options);
  impl->ticker = std::thread([raw = impl.get()] { raw->Run(); });
  return std::unique_ptr<SharedLimiter>(new SharedLimiter(std::move(impl)));
}

SharedLimiter::SharedLimiter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

SharedLimiter::~SharedLimiter() {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->stopping_changed.notify_all();
  impl_->ticker.join();
  impl_->Tick(true);
}

LimitDecision SharedLimiter::Admit(const LimitAsk& ask) {
  return impl_->Admit(ask);
}

void SharedLimiter::Numbers(const std::string& account, const KeyLimits& limits,
                            RateNumbers& requests, RateNumbers& tokens) {
  std::lock_guard lock(impl_->mutex);
  const auto found = impl_->accounts.find(account);
  LimitDecision decision;
  if (found != impl_->accounts.end() && found->second.numbers_us != 0) {
    impl_->FillNumbers(found->second, decision);
  } else {  // nobody asked yet: as full as can be
    decision.requests = {limits.requests_per_minute, limits.requests_per_minute, 0};
    decision.tokens = {limits.tokens_per_minute, limits.tokens_per_minute, 0};
  }
  requests = decision.requests;
  tokens = decision.tokens;
}

bool SharedLimiter::degraded() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->down;
}

}  // namespace infe::store

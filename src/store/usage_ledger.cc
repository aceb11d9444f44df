#include "store/usage_ledger.h"

#include <algorithm>
#include <condition_variable>
#include <ctime>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sys/stat.h>

#include "base/utf8.h"
#include "store/database.h"
#include "store/ledger_boot.h"
#include "store/reserve_file.h"
#include "store/sql.h"
#include "store/sqlite.h"

namespace infe::store {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Between attempts while rows cannot be written: doubling from the first to the second.
constexpr milliseconds kRetryFirst{100}, kRetryMost{2000};

int64_t UnixMs() {
  return std::chrono::duration_cast<milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// Text that every database takes (PostgreSQL none with NUL), and every terminal.
std::string Storable(std::string_view text) {
  std::string plain = SanitizeUtf8(text);
  std::replace_if(
      plain.begin(), plain.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, '?');
  return plain;
}

constexpr const char* kUpsert =
    "INSERT INTO usage (boot, number, state, request_id, key_id, account, project, model, endpoint,"
    " service_tier, end_user, started_ms, ended_ms, status, finish, reserved_tokens,"
    " prompt_tokens, cached_tokens, completion_tokens, upstream)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,"
    " $19, $20)"
    " ON CONFLICT (boot, number) DO UPDATE SET state = excluded.state,"
    " ended_ms = excluded.ended_ms, status = excluded.status, finish = excluded.finish,"
    " prompt_tokens = excluded.prompt_tokens, cached_tokens = excluded.cached_tokens,"
    " completion_tokens = excluded.completion_tokens, upstream = excluded.upstream";

}  // namespace

Result<LedgerFailureMode> ParseLedgerFailureMode(const std::string& text) {
  if (text == "closed") return LedgerFailureMode::kClosed;
  if (text == "open-bounded") return LedgerFailureMode::kOpenBounded;
  return InvalidArgument(
      fmt::format("the ledger's failure mode must be closed or open-bounded, not \"{}\"", text));
}

const char* Name(LedgerState state) {
  switch (state) {
    case LedgerState::kHealthy:
      return "healthy";
    case LedgerState::kFailing:
      return "failing";
    case LedgerState::kJournaling:
      return "journaling";
  }
  return "unknown";
}

// One request's row in memory. start never changes; the counters are written by the request's
// threads at any time; the rest belongs to Impl::mutex.
struct UsageReservation::Entry {
  int64_t number = 0;
  UsageStart start;
  size_t bytes = 0;
  std::atomic<int64_t> prompt_tokens{0}, cached_tokens{0}, completion_tokens{0};
  std::atomic<int64_t> marked_tokens{0};  // completion tokens when last marked dirty

  bool dirty = false, settled = false;
  int64_t marked_prompt_tokens = 0;
  UsageEnd end;
  std::function<void(bool)> durable;

  // What the row says while it is open.
  UsageEnd Progress() const {
    UsageEnd now;
    now.prompt_tokens = prompt_tokens.load(std::memory_order_relaxed);
    now.cached_tokens = cached_tokens.load(std::memory_order_relaxed);
    now.completion_tokens = completion_tokens.load(std::memory_order_relaxed);
    return now;
  }
};

struct UsageLedger::Impl {
  using Entry = UsageReservation::Entry;
  using EntryPointer = std::shared_ptr<Entry>;  // shared: the request's and the writer's
  // A row as it was when the writer took it.
  struct TakenRow {
    EntryPointer entry;
    bool settled;
    UsageEnd end;
    std::function<void(bool)> durable;
  };

  Impl(const DataDir& dir, Connector connector, const LedgerOptions& ledger_options)
      : options(ledger_options),
        connect(std::move(connector)),
        wal_path(dir.database_path() + "-wal"),
        reserve(dir.path + "/ledger.reserve", ledger_options.reserve_file_bytes) {}

  Result<void> Start();
  // The requests' side; the mutex is held.
  void MarkDirty(const EntryPointer& entry);
  void SettleLocked(const EntryPointer& entry, const UsageEnd& end,
                    std::function<void(bool)> durable);
  LedgerState StateLocked() const;
  bool JournalFull(size_t more) const { return pending_bytes + more > options.journal_bytes_max; }
  // The writer's thread.
  void Run();
  bool WaitForWork(std::unique_lock<std::mutex>& lock);
  void MarkProgress();
  void SettleAbandoned();
  std::vector<TakenRow> TakeBatch();
  Result<void> Write(const std::vector<TakenRow>& batch);
  Result<void> TryWrite(const std::vector<TakenRow>& batch);
  Result<void> WriteRow(const TakenRow& row);
  Result<void> Beat();
  Result<int64_t> Now();
  void Succeeded(const std::vector<TakenRow>& batch, double seconds);
  void Failed(std::vector<TakenRow>& batch, const Error& error);

  const LedgerOptions options;
  const Connector connect;
  const std::string wal_path;
  const LedgerBoot boot = LedgerBoot::OfThisProcess();

  // The writer's own.
  std::unique_ptr<SqlConnection> connection;
  ReserveFile reserve;
  bool suspect = false;  // the connection is opened anew before its next use
  milliseconds retry_pause = kRetryFirst;
  bool shared = false;  // PostgreSQL: others must see that this process lives
  Clock::time_point beat_at{};

  mutable std::mutex mutex;
  std::condition_variable work;     // for the writer
  std::condition_variable written;  // for Flush and Close
  std::vector<EntryPointer> dirty;  // changed since they were last taken, oldest first
  std::unordered_map<int64_t, EntryPointer> open;
  Clock::time_point group_end{};  // when the first of `dirty` must be written
  Clock::time_point scan_at{};    // when the progress of open rows is looked at
  Clock::time_point retry_at{}, stop_at{};
  std::optional<Clock::time_point> writing_since;
  bool failing = false;  // the last write failed, or the reserve file is gone
  bool flush_wanted = false, stopping = false, stopped = false;
  int64_t next_number = 1;
  uint64_t changes = 0, changes_written = 0;
  size_t pending_bytes = 0, pending_rows = 0;  // of dirty rows and of the batch being written
  LedgerStats stats;
  std::thread writer;
};

Result<void> UsageLedger::Impl::Start() {
  INFE_ASSIGN(connection, connect());
  shared = connection->dialect() == SqlDialect::kPostgres;
  if (!shared) INFE_TRY(QuickCheckSqlite(*connection));
  INFE_ASSIGN(const int64_t now, Now());
  INFE_ASSIGN(const int64_t recovered, RecoverDeadBoots(*connection, boot, now));
  stats.recovered_rows = static_cast<uint64_t>(recovered);
  INFE_TRY(Beat());
  beat_at = Clock::now() + std::chrono::seconds(kHeartbeatS);
  scan_at = Clock::now() + options.checkpoint_interval;
  failing = !reserve.Restore();
  if (failing) stats.last_error = "the disk has no room for the reserve file";
  stats.reserve_file_there = reserve.there();
  writer = std::thread([this] { Run(); });
  return {};
}

// Unix seconds. Processes that share a database beat by its clock: theirs may differ.
Result<int64_t> UsageLedger::Impl::Now() {
  if (!shared) return options.clock != nullptr ? options.clock->unix_s() : std::time(nullptr);
  INFE_ASSIGN(const SqlRows rows,
              connection->Query("SELECT CAST(extract(epoch FROM clock_timestamp()) AS BIGINT)"));
  return rows.Int(0, 0);
}

// Tells that this process lives, and how late it is: a start whose clock is behind that goes on
// from there.
Result<void> UsageLedger::Impl::Beat() {
  INFE_ASSIGN(const int64_t now, Now());
  INFE_TRY(boot.Beat(*connection, now));
  if (options.clock == nullptr || options.clock->Now().jumped) return {};
  INFE_TRY(connection->Query(
      "UPDATE store_counter SET value = $1 WHERE name = 'clock_seen' AND value < $2", {now, now}));
  return {};
}

void UsageLedger::Impl::MarkDirty(const EntryPointer& entry) {
  ++changes;
  entry->marked_prompt_tokens = entry->prompt_tokens.load(std::memory_order_relaxed);
  entry->marked_tokens.store(entry->completion_tokens.load(std::memory_order_relaxed),
                             std::memory_order_relaxed);
  if (entry->dirty) return;
  entry->dirty = true;
  pending_bytes += entry->bytes;
  ++pending_rows;
  if (dirty.empty()) {
    group_end = Clock::now() + options.commit_interval;
    work.notify_one();
  }
  dirty.push_back(entry);
}

void UsageLedger::Impl::SettleLocked(const EntryPointer& entry, const UsageEnd& end,
                                     std::function<void(bool)> durable) {
  entry->settled = true;
  entry->end = end;
  entry->durable = std::move(durable);
  open.erase(entry->number);
  MarkDirty(entry);
}

LedgerState UsageLedger::Impl::StateLocked() const {
  const bool stalled = writing_since && Clock::now() - *writing_since > options.stall_limit;
  if (!failing && !stalled) return LedgerState::kHealthy;
  if (options.on_failure == LedgerFailureMode::kClosed || JournalFull(0))
    return LedgerState::kFailing;
  return LedgerState::kJournaling;
}

void UsageLedger::Impl::Run() {
  std::unique_lock lock(mutex);
  while (WaitForWork(lock)) {
    const uint64_t upto = changes;
    std::vector<TakenRow> batch = TakeBatch();
    const auto start = Clock::now();
    writing_since = start;
    lock.unlock();
    const auto result = Write(batch);
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    lock.lock();
    writing_since.reset();
    if (result) {
      Succeeded(batch, seconds);
      changes_written = upto;
      lock.unlock();
      for (const TakenRow& row : batch)
        if (row.durable) row.durable(true);
      batch.clear();
      lock.lock();
    } else {
      Failed(batch, result.error());
    }
    written.notify_all();
  }
  stopped = true;
  written.notify_all();
}

// False: it is time to stop.
bool UsageLedger::Impl::WaitForWork(std::unique_lock<std::mutex>& lock) {
  bool urgent = false;
  for (;;) {
    const auto now = Clock::now();
    if (stopping) {
      SettleAbandoned();
      if (dirty.empty() || now >= stop_at) return false;
      urgent = true;
    }
    if (flush_wanted || now >= scan_at) {
      MarkProgress();
      scan_at = now + options.checkpoint_interval;
      urgent = urgent || std::exchange(flush_wanted, false);
    }
    // While failing, an attempt is made even without rows: it finds out that the disk is back.
    if (failing ? now >= retry_at
                : ((!dirty.empty() && (urgent || now >= group_end)) || (shared && now >= beat_at)))
      return true;
    auto wake = scan_at;
    if (failing) wake = std::min(wake, retry_at);
    if (!failing && !dirty.empty()) wake = std::min(wake, group_end);
    if (!failing && shared) wake = std::min(wake, beat_at);
    if (stopping) wake = std::min(wake, stop_at);
    work.wait_until(lock, wake);
  }
}

void UsageLedger::Impl::MarkProgress() {
  for (const auto& [number, entry] : open) {
    const UsageEnd now = entry->Progress();
    if (now.completion_tokens != entry->marked_tokens.load(std::memory_order_relaxed) ||
        now.prompt_tokens != entry->marked_prompt_tokens)
      MarkDirty(entry);
  }
}

// The ledger ends before its requests: their rows say how far they came.
void UsageLedger::Impl::SettleAbandoned() {
  while (!open.empty()) {
    const EntryPointer entry = open.begin()->second;
    UsageEnd end = entry->Progress();
    end.finish = "abandoned";
    end.ended_ms = UnixMs();
    SettleLocked(entry, end, {});
  }
}

std::vector<UsageLedger::Impl::TakenRow> UsageLedger::Impl::TakeBatch() {
  std::vector<TakenRow> batch;
  batch.reserve(dirty.size());
  for (EntryPointer& entry : dirty) {
    entry->dirty = false;
    const bool settled = entry->settled;
    UsageEnd end = settled ? entry->end : entry->Progress();
    auto durable = std::exchange(entry->durable, {});
    batch.push_back({std::move(entry), settled, std::move(end), std::move(durable)});
  }
  dirty.clear();
  return batch;
}

// The connection does what it does without the mutex.
Result<void> UsageLedger::Impl::Write(const std::vector<TakenRow>& batch) {
  auto result = TryWrite(batch);
  if (!result && !shared && reserve.there() &&
      (result.error().code == ErrorCode::kResourceExhausted ||
       result.error().code == ErrorCode::kIo)) {
    reserve.GiveUp();
    result = TryWrite(batch);
  }
  if (result) reserve.Restore();
  return result;
}

Result<void> UsageLedger::Impl::TryWrite(const std::vector<TakenRow>& batch) {
  if (suspect || !connection->alive()) INFE_TRY(connection->Reconnect());
  suspect = true;  // until it has proved itself
  {
    INFE_ASSIGN(SqlTransaction transaction, SqlTransaction::Begin(*connection));
    for (const TakenRow& row : batch) INFE_TRY(WriteRow(row));
    // Without rows: the attempt must write something to find out that writing works.
    if (batch.empty() || Clock::now() >= beat_at) {
      INFE_TRY(Beat());
    }
    INFE_TRY(transaction.Commit());
  }
  suspect = false;
  if (Clock::now() < beat_at) return {};
  beat_at = Clock::now() + std::chrono::seconds(kHeartbeatS);
  // Also over SQLite: of a container that was started anew only the heartbeat's end tells.
  INFE_ASSIGN(const int64_t now, Now());
  INFE_ASSIGN(const int64_t recovered, RecoverDeadBoots(*connection, boot, now));
  std::lock_guard lock(mutex);
  stats.recovered_rows += static_cast<uint64_t>(recovered);
  return {};
}

Result<void> UsageLedger::Impl::WriteRow(const TakenRow& row) {
  const UsageStart& start = row.entry->start;
  const UsageEnd& end = row.end;
  INFE_TRY(connection->Query(kUpsert, {boot.id,
                                       row.entry->number,
                                       int64_t{row.settled},
                                       start.request_id,
                                       start.key_id,
                                       start.account,
                                       start.project,
                                       start.model,
                                       start.endpoint,
                                       start.service_tier,
                                       start.end_user,
                                       start.started_ms,
                                       end.ended_ms,
                                       int64_t{end.status},
                                       end.finish,
                                       start.reserved_tokens,
                                       end.prompt_tokens,
                                       end.cached_tokens,
                                       end.completion_tokens,
                                       end.upstream}));
  if (start.in_jump)
    INFE_TRY(
        connection->Query("INSERT INTO usage_in_jump (boot, number) VALUES ($1, $2)"
                          " ON CONFLICT DO NOTHING",
                          {boot.id, row.entry->number}));
  return {};
}

void UsageLedger::Impl::Succeeded(const std::vector<TakenRow>& batch, double seconds) {
  for (const TakenRow& row : batch) pending_bytes -= row.entry->bytes;
  pending_rows -= batch.size();
  stats.rows_written += batch.size();
  ++stats.commits;
  stats.commit_seconds_sum += seconds;
  size_t bucket = 0;
  while (bucket < LedgerStats::kCommitSeconds.size() &&
         seconds > LedgerStats::kCommitSeconds[bucket])
    ++bucket;
  ++stats.commit_seconds_buckets[bucket];
  failing = !reserve.there();
  if (failing) stats.last_error = "the disk is full but for what running requests need";
  stats.reserve_file_there = reserve.there();
  retry_pause = kRetryFirst;
  if (failing) retry_at = Clock::now() + kRetryFirst;
}

void UsageLedger::Impl::Failed(std::vector<TakenRow>& batch, const Error& error) {
  ++stats.commit_failures;
  stats.last_error = error.message;
  stats.reserve_file_there = reserve.there();
  failing = true;
  retry_at = Clock::now() + retry_pause;
  retry_pause = std::min(retry_pause * 2, kRetryMost);
  std::vector<EntryPointer> again;
  again.reserve(batch.size() + dirty.size());
  for (TakenRow& row : batch) {
    if (row.durable) row.entry->durable = std::move(row.durable);
    if (row.entry->dirty) {  // changed meanwhile: it is in `dirty` already
      pending_bytes -= row.entry->bytes;
      --pending_rows;
      continue;
    }
    row.entry->dirty = true;
    again.push_back(std::move(row.entry));
  }
  again.insert(again.end(), dirty.begin(), dirty.end());
  dirty = std::move(again);
}

Result<std::unique_ptr<UsageLedger>> UsageLedger::Open(const DataDir& dir, const std::string& url,
                                                       const LedgerOptions& options) {
  return Open(dir, [dir, url] { return OpenDatabase(dir, url); }, options);
}

Result<std::unique_ptr<UsageLedger>> UsageLedger::Open(const DataDir& dir, Connector connect,
                                                       const LedgerOptions& options) {
  auto impl = std::make_unique<Impl>(dir, std::move(connect), options);
  INFE_TRY(impl->Start());
  return std::unique_ptr<UsageLedger>(new UsageLedger(std::move(impl)));
}

UsageLedger::UsageLedger(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

UsageLedger::~UsageLedger() {
  (void)Close();
}

Result<std::unique_ptr<UsageReservation>> UsageLedger::Reserve(UsageStart start) {
  auto entry = std::make_shared<UsageReservation::Entry>();
  start.end_user = Storable(start.end_user);
  entry->bytes = sizeof(UsageReservation::Entry) + start.request_id.size() + start.key_id.size() +
                 start.account.size() + start.project.size() + start.model.size() +
                 start.endpoint.size() + start.service_tier.size() + start.end_user.size();
  entry->start = std::move(start);
  std::lock_guard lock(impl_->mutex);
  const auto refuse = [&](std::string why) {
    ++impl_->stats.refused;
    return Error{ErrorCode::kUnavailable, std::move(why), {}};
  };
  if (impl_->stopping) return refuse("the usage ledger is closed");
  const LedgerState state = impl_->StateLocked();
  if (state == LedgerState::kFailing)
    return refuse(fmt::format("usage cannot be recorded now, so no new request is taken: {}",
                              impl_->writing_since && !impl_->failing
                                  ? "the database does not answer"
                                  : impl_->stats.last_error));
  if (state == LedgerState::kJournaling && impl_->JournalFull(entry->bytes))
    return refuse("usage cannot be recorded now and the journal in memory is full");
  entry->number = impl_->next_number++;
  impl_->open.emplace(entry->number, entry);
  impl_->MarkDirty(entry);
  return std::unique_ptr<UsageReservation>(new UsageReservation(*this, std::move(entry)));
}

bool UsageLedger::Flush(milliseconds timeout) {
  std::unique_lock lock(impl_->mutex);
  impl_->MarkProgress();
  const uint64_t wanted = impl_->changes;
  impl_->flush_wanted = true;
  impl_->work.notify_one();
  impl_->written.wait_for(lock, timeout,
                          [&] { return impl_->changes_written >= wanted || impl_->stopped; });
  return impl_->changes_written >= wanted;
}

LedgerStats UsageLedger::Stats() const {
  std::unique_lock lock(impl_->mutex);
  LedgerStats stats = impl_->stats;
  stats.state = impl_->StateLocked();
  stats.pending_rows = impl_->pending_rows;
  stats.pending_bytes = impl_->pending_bytes;
  stats.open_requests = impl_->open.size();
  lock.unlock();
  struct stat wal{};
  if (!impl_->shared && stat(impl_->wal_path.c_str(), &wal) == 0)
    stats.wal_bytes = static_cast<uint64_t>(wal.st_size);
  return stats;
}

Result<void> UsageLedger::Close() {
  std::vector<std::function<void(bool)>> unheard;
  size_t lost = 0;
  std::string why;
  {
    std::unique_lock lock(impl_->mutex);
    if (!impl_->stopping) {
      impl_->stopping = true;
      impl_->stop_at = Clock::now() + impl_->options.close_timeout;
      impl_->retry_at = Clock::now();
      impl_->work.notify_one();
    }
    lock.unlock();
    if (impl_->writer.joinable()) impl_->writer.join();
    lock.lock();
    for (const auto& entry : impl_->dirty)
      if (auto durable = std::exchange(entry->durable, {})) unheard.push_back(std::move(durable));
    lost = impl_->dirty.size();
    why = impl_->stats.last_error;
    impl_->dirty.clear();
    // Nothing is open any more: the next start has nothing to recover.
    if (lost == 0 && impl_->connection && impl_->connection->alive()) {
      (void)impl_->Beat();  // the last that is known of the time
      (void)impl_->boot.Remove(*impl_->connection);
    }
    impl_->connection.reset();
  }
  for (const auto& durable : unheard) durable(false);
  if (lost == 0) return {};
  return IoError(fmt::format("{} usage rows could not be written: {}", lost, why));
}

int64_t UsageLedger::boot_id() const {
  return impl_->boot.id;
}

UsageReservation::UsageReservation(UsageLedger& ledger, std::shared_ptr<Entry> entry)
    : ledger_(ledger), entry_(std::move(entry)) {}

UsageReservation::~UsageReservation() {
  UsageEnd end = entry_->Progress();
  end.finish = "abandoned";
  end.ended_ms = UnixMs();
  Settle(end);
}

void UsageReservation::Checkpoint(int64_t prompt_tokens, int64_t cached_tokens,
                                  int64_t completion_tokens) {
  entry_->prompt_tokens.store(prompt_tokens, std::memory_order_relaxed);
  entry_->cached_tokens.store(cached_tokens, std::memory_order_relaxed);
  entry_->completion_tokens.store(completion_tokens, std::memory_order_relaxed);
  if (completion_tokens - entry_->marked_tokens.load(std::memory_order_relaxed) <
      ledger_.impl_->options.checkpoint_tokens)
    return;
  std::lock_guard lock(ledger_.impl_->mutex);
  if (!entry_->settled) ledger_.impl_->MarkDirty(entry_);
}

void UsageReservation::Settle(const UsageEnd& end, std::function<void(bool)> durable) {
  {
    std::lock_guard lock(ledger_.impl_->mutex);
    if (!entry_->settled && !ledger_.impl_->stopped) {
      ledger_.impl_->SettleLocked(entry_, end, std::move(durable));
      return;
    }
    entry_->settled = true;
  }
  if (durable) durable(false);
}

}  // namespace infe::store

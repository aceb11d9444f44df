#include "store/key_store.h"

#include <ctime>
#include <span>

#include <fmt/format.h>

#include "base/random.h"
#include "base/sha256.h"
#include "store/database.h"
#include "store/key_text.h"

namespace infe::store {
namespace {

using Clock = std::chrono::steady_clock;

// How often uses are written, and how coarse they are kept: a row per key and minute at most.
constexpr int64_t kLastUsedGrainS = 60;
constexpr auto kLastUsedInterval = std::chrono::seconds(10);

std::string NewId(std::string_view prefix) {
  uint8_t bytes[12];
  FillRandom(bytes, sizeof bytes);
  return std::string(prefix) + ToHex(bytes);
}

std::string HashOf(const std::string& pepper, std::string_view key) {
  const Sha256Digest digest = HmacSha256(pepper, key);
  return std::string(digest.begin(), digest.end());
}

std::string JoinLines(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "" : "\n") + line;
  return text;
}

std::vector<std::string> SplitLines(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t from = 0; from < text.size();) {
    const size_t end = std::min(text.find('\n', from), text.size());
    lines.push_back(text.substr(from, end - from));
    from = end + 1;
  }
  return lines;
}

constexpr const char* kColumns =
    "id, name, last4, created_at, expires_at, revoked_at, project, account, kind, scopes, models,"
    " weight, created_by, last_used_at, requests_per_minute, tokens_per_minute,"
    " concurrent_requests, requests_per_day, tokens_per_day, tokens_per_month";

KeyRecord ReadRecord(const SqlRows& rows, size_t row) {
  KeyRecord r;
  r.id = rows.Text(row, 0);
  r.name = rows.Text(row, 1);
  r.last4 = rows.Text(row, 2);
  r.created_at = rows.Int(row, 3);
  r.expires_at = rows.Int(row, 4);
  r.revoked_at = rows.Int(row, 5);
  r.project = rows.Text(row, 6);
  r.account = rows.Text(row, 7);
  r.kind = rows.Int(row, 8) == 1 ? KeyKind::kAdmin : KeyKind::kApi;
  r.scopes = static_cast<KeyScopes>(rows.Int(row, 9));
  r.models = SplitLines(rows.Text(row, 10));
  r.weight = rows.Real(row, 11);
  r.created_by = rows.Text(row, 12);
  r.last_used_at = rows.Int(row, 13);
  r.limits = {.requests_per_minute = rows.Int(row, 14),
              .tokens_per_minute = rows.Int(row, 15),
              .concurrent_requests = rows.Int(row, 16),
              .requests_per_day = rows.Int(row, 17),
              .tokens_per_day = rows.Int(row, 18),
              .tokens_per_month = rows.Int(row, 19)};
  return r;
}

}  // namespace

Result<std::unique_ptr<KeyStore>> KeyStore::Open(const DataDir& dir, const std::string& url) {
  INFE_ASSIGN(std::string pepper, LoadPepper(dir));
  INFE_ASSIGN(std::unique_ptr<SqlConnection> database, OpenDatabase(dir, url));
  std::unique_ptr<KeyStore> store(new KeyStore(std::move(database), std::move(pepper)));
  INFE_TRY(store->ReloadLocked());
  store->poller_ = std::thread([self = store.get()] { self->Poll(); });
  return store;
}

KeyStore::KeyStore(std::unique_ptr<SqlConnection> database, std::string pepper)
    : pepper_(std::move(pepper)),
      database_(std::move(database)),
      view_(std::make_shared<View>()),
      view_checked_at_(Clock::now()) {}

KeyStore::~KeyStore() {
  {
    std::lock_guard lock(view_mutex_);
    stopping_ = true;
  }
  stopping_changed_.notify_all();
  if (poller_.joinable()) poller_.join();
  std::lock_guard lock(database_mutex_);
  WriteLastUsedLocked();
}

Result<NewKey> KeyStore::Create(const KeyPolicy& policy, KeyKind kind,
                                const std::string& created_by) {
  INFE_TRY(Validate(policy, kind));
  KeyRecord record;
  static_cast<KeyPolicy&>(record) = policy;
  record.kind = kind;
  record.created_by = created_by;
  std::lock_guard lock(database_mutex_);
  INFE_ASSIGN(SqlTransaction transaction, SqlTransaction::Begin(*database_));
  INFE_ASSIGN(NewKey made, InsertLocked(std::move(record)));
  INFE_TRY(BumpLocked());
  INFE_TRY(transaction.Commit());
  INFE_TRY(ReloadLocked());
  return made;
}

// Gives the record its key, id and, unless it has one, its account.
Result<NewKey> KeyStore::InsertLocked(KeyRecord record) {
  NewKey made;
  made.key = NewKeyText(record.kind);
  record.id = NewId("key_");
  if (record.account.empty()) record.account = record.id;
  record.last4 = made.key.substr(made.key.size() - 4);
  record.created_at = std::time(nullptr);
  record.revoked_at = record.last_used_at = 0;
  const KeyRecord& r = record;
  INFE_TRY(database_->Query(
      fmt::format("INSERT INTO api_key ({}, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10,"
                  " $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)",
                  kColumns),
      {r.id,
       r.name,
       r.last4,
       r.created_at,
       r.expires_at,
       r.revoked_at,
       r.project,
       r.account,
       int64_t{r.kind == KeyKind::kAdmin},
       int64_t{r.scopes},
       JoinLines(r.models),
       r.weight,
       r.created_by,
       r.last_used_at,
       r.limits.requests_per_minute,
       r.limits.tokens_per_minute,
       r.limits.concurrent_requests,
       r.limits.requests_per_day,
       r.limits.tokens_per_day,
       r.limits.tokens_per_month,
       SqlBytes{HashOf(pepper_, made.key)}}));
  made.record = std::move(record);
  return made;
}

Result<std::vector<KeyRecord>> KeyStore::List(const KeyFilter& filter) {
  std::lock_guard lock(database_mutex_);
  INFE_ASSIGN(const SqlRows rows, database_->Query(fmt::format(
                                      "SELECT {} FROM api_key ORDER BY created_at, id", kColumns)));
  std::vector<KeyRecord> records;
  bool reached = filter.after.empty();
  for (size_t i = 0; i < rows.size(); ++i) {
    KeyRecord record = ReadRecord(rows, i);
    if (!reached) {
      reached = record.id == filter.after;
      continue;
    }
    if (filter.project && record.project != *filter.project) continue;
    if (filter.kind && record.kind != *filter.kind) continue;
    records.push_back(std::move(record));
    if (filter.limit != 0 && records.size() == filter.limit) break;
  }
  if (!reached) return NotFound(fmt::format("there is no key {} to go on after", filter.after));
  return records;
}

Result<KeyRecord> KeyStore::Get(const std::string& id_or_name) {
  std::lock_guard lock(database_mutex_);
  return GetLocked(id_or_name);
}

Result<KeyRecord> KeyStore::GetLocked(const std::string& id_or_name) {
  INFE_ASSIGN(
      const SqlRows rows,
      database_->Query(fmt::format("SELECT {} FROM api_key WHERE id = $1 OR name = $2", kColumns),
                       {id_or_name, id_or_name}));
  if (rows.empty())
    return NotFound(
        fmt::format("there is no key with the id or name {}; see: infe keys list", id_or_name));
  if (rows.size() > 1)
    return InvalidArgument(
        fmt::format("{} keys are named {}: say which one by its id; see: infe "
                    "keys list",
                    rows.size(), id_or_name));
  return ReadRecord(rows, 0);
}

Result<KeyRecord> KeyStore::Update(const std::string& id_or_name, const KeyPolicy& policy) {
  std::lock_guard lock(database_mutex_);
  INFE_ASSIGN(SqlTransaction transaction, SqlTransaction::Begin(*database_));
  INFE_ASSIGN(KeyRecord record, GetLocked(id_or_name));
  INFE_TRY(Validate(policy, record.kind));
  if (record.revoked_at != 0)
    return InvalidArgument(fmt::format("the key {} is revoked: make a new one", record.id));
  static_cast<KeyPolicy&>(record) = policy;
  const KeyRecord& r = record;
  INFE_TRY(database_->Query(
      "UPDATE api_key SET name = $1, project = $2, scopes = $3, models = $4, weight = $5,"
      " expires_at = $6, requests_per_minute = $7, tokens_per_minute = $8,"
      " concurrent_requests = $9, requests_per_day = $10, tokens_per_day = $11,"
      " tokens_per_month = $12 WHERE id = $13",
      {r.name, r.project, int64_t{r.scopes}, JoinLines(r.models), r.weight, r.expires_at,
       r.limits.requests_per_minute, r.limits.tokens_per_minute, r.limits.concurrent_requests,
       r.limits.requests_per_day, r.limits.tokens_per_day, r.limits.tokens_per_month, r.id}));
  INFE_TRY(BumpLocked());
  INFE_TRY(transaction.Commit());
  INFE_TRY(ReloadLocked());
  return record;
}

Result<KeyRecord> KeyStore::Revoke(const std::string& id_or_name) {
  std::lock_guard lock(database_mutex_);
  INFE_ASSIGN(SqlTransaction transaction, SqlTransaction::Begin(*database_));
  INFE_ASSIGN(KeyRecord record, GetLocked(id_or_name));
  if (record.revoked_at != 0) return record;
  record.revoked_at = std::time(nullptr);
  INFE_TRY(database_->Query("UPDATE api_key SET revoked_at = $1 WHERE id = $2",
                            {record.revoked_at, record.id}));
  INFE_TRY(BumpLocked());
  INFE_TRY(transaction.Commit());
  INFE_TRY(ReloadLocked());
  return record;
}

Result<NewKey> KeyStore::Rotate(const std::string& id_or_name, int64_t overlap_s,
                                const std::string& created_by) {
  if (overlap_s < 0) return InvalidArgument("the overlap cannot be negative", "overlap");
  std::lock_guard lock(database_mutex_);
  INFE_ASSIGN(SqlTransaction transaction, SqlTransaction::Begin(*database_));
  INFE_ASSIGN(KeyRecord old, GetLocked(id_or_name));
  const int64_t now = std::time(nullptr);
  if (!old.IsLive(now))
    return InvalidArgument(fmt::format("the key {} is {}: make a new one with infe keys create",
                                       old.id, old.revoked_at != 0 ? "revoked" : "expired"));
  KeyRecord next = old;
  next.created_by = created_by;
  INFE_ASSIGN(NewKey made, InsertLocked(std::move(next)));
  const int64_t end = now + overlap_s;
  if (old.expires_at == 0 || old.expires_at > end)
    INFE_TRY(database_->Query("UPDATE api_key SET expires_at = $1 WHERE id = $2", {end, old.id}));
  INFE_TRY(BumpLocked());
  INFE_TRY(transaction.Commit());
  INFE_TRY(ReloadLocked());
  return made;
}

std::optional<KeyRecord> KeyStore::Find(std::string_view key, int64_t now) {
  // Hashed whether or not the key looks right, so that every refusal costs the same.
  const std::string hash = HashOf(pepper_, key);
  std::shared_ptr<const View> view;
  {
    std::lock_guard lock(view_mutex_);
    view = view_;
  }
  const auto found = view->by_hash.find(hash);
  if (found == view->by_hash.end()) return std::nullopt;
  const auto bytes = [](const std::string& s) {
    return std::span(reinterpret_cast<const uint8_t*>(s.data()), s.size());
  };
  if (!EqualConstantTime(bytes(found->first), bytes(hash))) return std::nullopt;
  const KeyRecord& record = found->second;
  if (!record.IsLive(now)) return std::nullopt;
  if (const int64_t used = now - now % kLastUsedGrainS; used > record.last_used_at) {
    std::lock_guard lock(view_mutex_);
    Use& use = uses_[record.id];
    use.at = std::max(use.at, used);
  }
  return record;
}

bool KeyStore::HasKeys() const {
  std::lock_guard lock(view_mutex_);
  return !view_->by_hash.empty();
}

std::chrono::milliseconds KeyStore::view_age() const {
  std::lock_guard lock(view_mutex_);
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - view_checked_at_);
}

Result<void> KeyStore::BumpLocked() {
  INFE_TRY(
      database_->Query("UPDATE store_counter SET value = value + 1 WHERE name = 'key_generation'"));
  return {};
}

// The thread of the store.
void KeyStore::Poll() {
  auto wrote_at = Clock::now();
  for (;;) {
    {
      std::unique_lock lock(view_mutex_);
      if (stopping_changed_.wait_for(lock, kPollInterval, [this] { return stopping_; })) return;
    }
    std::lock_guard lock(database_mutex_);
    // On failure the last good view serves on; view_age() tells.
    if (!database_->alive() && !database_->Reconnect()) continue;
    (void)ReloadLocked();
    if (Clock::now() - wrote_at >= kLastUsedInterval) {
      wrote_at = Clock::now();
      WriteLastUsedLocked();
    }
  }
}

Result<void> KeyStore::ReloadLocked() {
  const auto now = Clock::now();  // before the question, so that the age is never too low
  // The generation first: a change between the two questions is then read twice, never missed.
  INFE_ASSIGN(const SqlRows counter,
              database_->Query("SELECT value FROM store_counter WHERE name = 'key_generation'"));
  if (counter.empty()) return Corrupt("the database has lost its key_generation: restore a backup");
  auto fresh = std::make_shared<View>();
  fresh->generation = counter.Int(0, 0);
  {
    std::lock_guard lock(view_mutex_);
    if (view_->generation == fresh->generation) {
      view_checked_at_ = now;
      return {};
    }
  }
  INFE_ASSIGN(const SqlRows rows,
              database_->Query(fmt::format("SELECT {}, hash FROM api_key", kColumns)));
  for (size_t i = 0; i < rows.size(); ++i)
    fresh->by_hash.emplace(rows.Text(i, 20), ReadRecord(rows, i));
  std::lock_guard lock(view_mutex_);
  view_ = std::move(fresh);
  view_checked_at_ = now;
  return {};
}

// Uses are worth no error: what cannot be written now is written later or lost.
void KeyStore::WriteLastUsedLocked() {
  std::vector<std::pair<std::string, int64_t>> changed;
  {
    std::lock_guard lock(view_mutex_);
    for (const auto& [id, use] : uses_)
      if (use.at > use.written) changed.emplace_back(id, use.at);
  }
  if (changed.empty() || !database_->alive()) return;
  auto transaction = SqlTransaction::Begin(*database_);
  if (!transaction) return;
  for (const auto& [id, at] : changed) {
    if (!database_->Query(
            "UPDATE api_key SET last_used_at = $1 WHERE id = $2 AND last_used_at < $3",
            {at, id, at}))
      return;
  }
  if (!transaction->Commit()) return;
  std::lock_guard lock(view_mutex_);
  for (const auto& [id, at] : changed) uses_[id].written = at;
}

}  // namespace infe::store

#include "store/key_store.h"

#include <ctime>
#include <span>

#include <fmt/format.h>

#include "base/sha256.h"
#include "store/database.h"
#include "store/key_table.h"
#include "store/pepper.h"
#include "store/secret_files.h"

namespace infe::store {
namespace {

using Clock = std::chrono::steady_clock;

// How often uses are written, and how coarse they are kept: a row per key and minute at most.
constexpr int64_t kLastUsedGrainS = 60;
constexpr auto kLastUsedInterval = std::chrono::seconds(10);

std::string HashOf(const std::string& pepper, std::string_view key) {
  const Sha256Digest digest = HmacSha256(pepper, key);
  return std::string(digest.begin(), digest.end());
}

// The pepper that fits the database's keys; made if there are none and no pepper.
Result<std::string> FittingPepper(const DataDir& dir, SqlConnection& database,
                                  const std::string& url) {
  INFE_ASSIGN(const std::optional<std::string> pepper, ReadPepper(dir));
  INFE_ASSIGN(const bool keys, HasAnyKey(database));
  if (!keys) return pepper ? *pepper : LoadPepper(dir);
  const std::string where = url.empty() ? dir.database_path() : MaskStoreUrl(url);
  constexpr const char* kAdvice =
      "restore the file pepper from the backup that the database is of, or copy it from another "
      "server on it. If it is lost for good, so is every key: `infe keys new-pepper "
      "--revoke-all-keys` revokes them and begins anew";
  if (!pepper)
    return Corrupt(fmt::format("the keys in {} were made with a pepper, and {} is missing: {}",
                               where, dir.pepper_path(), kAdvice));
  INFE_ASSIGN(const std::string check, ReadPepperCheck(database));
  if (check.empty()) {  // keys of before there was a check
    INFE_TRY(WritePepperCheck(database, PepperCheck(*pepper)));
  } else if (check != PepperCheck(*pepper)) {
    return Corrupt(fmt::format("the keys in {} were made with another pepper than {}: {}", where,
                               dir.pepper_path(), kAdvice));
  }
  return *pepper;
}

}  // namespace

Result<std::unique_ptr<KeyStore>> KeyStore::Open(const DataDir& dir, const std::string& url) {
  INFE_TRY(CheckSecretFiles(dir, {}));
  // The database before the pepper: database.cc takes a pepper without one for a loss.
  INFE_ASSIGN(std::unique_ptr<SqlConnection> database, OpenDatabase(dir, url));
  INFE_ASSIGN(std::string pepper, FittingPepper(dir, *database, url));
  std::unique_ptr<KeyStore> store(new KeyStore(dir, std::move(database), std::move(pepper)));
  INFE_TRY(store->ReloadLocked());
  store->poller_ = std::thread([self = store.get()] { self->Poll(); });
  return store;
}

KeyStore::KeyStore(const DataDir& dir, std::unique_ptr<SqlConnection> database, std::string pepper)
    : dir_(dir),
      pepper_(std::move(pepper)),
      database_(std::move(database)),
      view_(std::make_shared<View>()),
      view_checked_at_(Clock::now()),
      had_keys_(KeysWereMade(dir)) {}

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

Result<void> KeyStore::Edit(const ChangeBy& by, const std::function<Result<void>(KeyEdit&)>& edit) {
  std::lock_guard lock(database_mutex_);
  INFE_ASSIGN(SqlTransaction transaction, SqlTransaction::Begin(*database_));
  KeyEdit changes(*database_, pepper_, by, std::time(nullptr));
  INFE_TRY(edit(changes));
  INFE_TRY(changes.WriteEntries());
  INFE_TRY(BumpKeyGeneration(*database_));
  INFE_TRY(transaction.Commit());
  return ReloadLocked();
}

Result<NewKey> KeyStore::Create(const KeyPolicy& policy, KeyKind kind, const ChangeBy& by) {
  NewKey made;
  INFE_TRY(Edit(by, [&](KeyEdit& edit) -> Result<void> {
    INFE_ASSIGN(made, edit.Create(policy, kind));
    return {};
  }));
  return made;
}

Result<NewKey> KeyStore::Import(const KeyPolicy& policy, KeyKind kind, const std::string& key,
                                const ChangeBy& by) {
  NewKey made;
  INFE_TRY(Edit(by, [&](KeyEdit& edit) -> Result<void> {
    INFE_ASSIGN(made, edit.Import(policy, kind, key));
    return {};
  }));
  return made;
}

Result<std::vector<KeyRecord>> KeyStore::List(const KeyFilter& filter) {
  std::lock_guard lock(database_mutex_);
  INFE_ASSIGN(std::vector<KeyRow> rows, ReadBy(*database_, [&] { return ReadKeys(*database_); }));
  std::vector<KeyRecord> records;
  bool reached = filter.after.empty();
  for (KeyRow& row : rows) {
    KeyRecord& record = row.record;
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
  return ReadBy(*database_, [&] { return ReadKey(*database_, id_or_name); });
}

Result<KeyRecord> KeyStore::Update(const std::string& id_or_name, const KeyPolicy& policy,
                                   const ChangeBy& by) {
  KeyRecord record;
  INFE_TRY(Edit(by, [&](KeyEdit& edit) -> Result<void> {
    INFE_ASSIGN(record, edit.Get(id_or_name));
    INFE_ASSIGN(record, edit.Update(record, policy));
    return {};
  }));
  return record;
}

Result<KeyRecord> KeyStore::Revoke(const std::string& id_or_name, const ChangeBy& by) {
  KeyRecord record;
  INFE_TRY(Edit(by, [&](KeyEdit& edit) -> Result<void> {
    INFE_ASSIGN(record, edit.Get(id_or_name));
    INFE_ASSIGN(record, edit.Revoke(record));
    return {};
  }));
  return record;
}

Result<NewKey> KeyStore::Rotate(const std::string& id_or_name, int64_t overlap_s,
                                const ChangeBy& by) {
  NewKey made;
  INFE_TRY(Edit(by, [&](KeyEdit& edit) -> Result<void> {
    INFE_ASSIGN(KeyRecord old, edit.Get(id_or_name));
    INFE_ASSIGN(made, edit.Rotate(std::move(old), overlap_s));
    return {};
  }));
  return made;
}

Result<int64_t> KeyStore::ReplacePepper(const DataDir& dir, const std::string& url,
                                        const ChangeBy& by) {
  INFE_ASSIGN(const std::unique_ptr<SqlConnection> database, OpenDatabase(dir, url));
  INFE_ASSIGN(SqlTransaction transaction, SqlTransaction::Begin(*database));
  INFE_ASSIGN(std::vector<KeyRow> rows, ReadKeys(*database));
  // The file first: a process that is killed here leaves a pepper that fits no key, which the next
  // start says.
  INFE_ASSIGN(const std::string pepper, store::ReplacePepper(dir));
  const int64_t now = std::time(nullptr);
  KeyEdit edit(*database, pepper, by, now);
  int64_t live = 0;
  for (KeyRow& row : rows) {
    live += row.record.IsLive(now) ? 1 : 0;
    INFE_TRY(edit.Revoke(std::move(row.record)));
  }
  INFE_TRY(edit.WriteEntries());
  INFE_TRY(WritePepperCheck(*database, PepperCheck(pepper)));
  INFE_TRY(BumpKeyGeneration(*database));
  INFE_TRY(transaction.Commit());
  return live;
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
  if (!record.IsLive(now)) {
    if (record.expires_at == 0 || record.revoked_at != 0) return std::nullopt;
    std::lock_guard lock(view_mutex_);
    expired_[record.id] = record.expires_at;
    return std::nullopt;
  }
  if (record.expires_at != 0) {
    std::lock_guard lock(view_mutex_);
    const auto over = expired_.find(record.id);
    if (over != expired_.end() && over->second == record.expires_at) return std::nullopt;
  }
  if (const int64_t used = now - now % kLastUsedGrainS; used > record.last_used_at) {
    std::lock_guard lock(view_mutex_);
    Use& use = uses_[record.id];
    use.at = std::max(use.at, used);
  }
  return record;
}

KeyState KeyStore::state() const {
  std::lock_guard lock(view_mutex_);
  if (view_->by_hash.empty()) return had_keys_ ? KeyState::kLost : KeyState::kNone;
  return view_->foreign ? KeyState::kForeign : KeyState::kThere;
}

void KeyStore::NoteExpired(int64_t now) {
  std::lock_guard lock(view_mutex_);
  for (const auto& [hash, record] : view_->by_hash)
    if (record.expires_at != 0 && record.expires_at <= now &&
        record.expired_seen != record.expires_at && record.revoked_at == 0)
      expired_[record.id] = record.expires_at;
}

std::chrono::milliseconds KeyStore::view_age() const {
  std::lock_guard lock(view_mutex_);
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - view_checked_at_);
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
    WriteExpiredLocked();
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
              Read(*database_, "SELECT value FROM store_counter WHERE name = 'key_generation'"));
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
  INFE_ASSIGN(std::vector<KeyRow> rows, ReadKeys(*database_));
  INFE_ASSIGN(const std::string check, ReadPepperCheck(*database_));
  fresh->foreign = !check.empty() && check != PepperCheck(pepper_);
  for (KeyRow& row : rows) fresh->by_hash.emplace(std::move(row.hash), std::move(row.record));
  std::lock_guard lock(view_mutex_);
  if (!fresh->by_hash.empty()) {
    NoteKeysWereMade(dir_);
    had_keys_ = true;
  }
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

// What cannot be written now is written later; until then this process remembers it.
void KeyStore::WriteExpiredLocked() {
  std::vector<std::pair<std::string, int64_t>> over;
  {
    std::lock_guard lock(view_mutex_);
    for (const auto& [hash, record] : view_->by_hash) {
      const auto found = expired_.find(record.id);
      if (found != expired_.end() && found->second == record.expires_at &&
          record.expired_seen != record.expires_at)
        over.emplace_back(record.id, record.expires_at);
    }
  }
  if (over.empty()) return;
  auto transaction = SqlTransaction::Begin(*database_);
  if (!transaction) return;
  for (const auto& [id, at] : over)
    if (!database_->Query("UPDATE api_key SET expired_seen = $1 WHERE id = $2 AND expires_at = $3",
                          {at, id, at}))
      return;
  if (BumpKeyGeneration(*database_) && transaction->Commit()) (void)ReloadLocked();
}

}  // namespace infe::store

#include "store/key_store.h"

#include <ctime>

#include <fmt/format.h>

#include "base/random.h"
#include "base/sha256.h"
#include "store/key_text.h"

namespace infe::store {
namespace {

std::string NewId(std::string_view prefix) {
  uint8_t bytes[12];
  FillRandom(bytes, sizeof bytes);
  return std::string(prefix) + ToHex(bytes);
}

std::string HashOf(const std::string& pepper, std::string_view key) {
  const Sha256Digest digest = HmacSha256(pepper, key);
  return std::string(digest.begin(), digest.end());
}

constexpr const char* kColumns = "id, name, last4, created_at, expires_at, revoked_at, project";

KeyRecord ReadRecord(const Statement& row) {
  return {row.Text(0), row.Text(1), row.Text(2), row.Int(3), row.Int(4), row.Int(5), row.Text(6)};
}

}  // namespace

Result<std::unique_ptr<KeyStore>> KeyStore::Open(const DataDir& dir) {
  INFE_ASSIGN(std::string pepper, LoadPepper(dir));
  INFE_ASSIGN(Database database, Database::Open(dir.database_path()));
  std::unique_ptr<KeyStore> store(new KeyStore(std::move(database), std::move(pepper)));
  INFE_TRY(store->Migrate());
  INFE_TRY(store->ReloadLocked());
  return store;
}

Result<void> KeyStore::Migrate() {
  return database_.Execute(
      "CREATE TABLE IF NOT EXISTS api_key ("
      " id TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, name TEXT NOT NULL, last4 TEXT NOT NULL,"
      " created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL DEFAULT 0,"
      " revoked_at INTEGER NOT NULL DEFAULT 0, project TEXT NOT NULL DEFAULT 'default') STRICT");
}

Result<NewKey> KeyStore::Create(const std::string& name, int64_t expires_at) {
  std::lock_guard lock(mutex_);
  NewKey made;
  made.key = NewKeyText();
  made.record = {NewId("key_"),      name,       made.key.substr(made.key.size() - 4),
                 std::time(nullptr), expires_at, 0,
                 "default"};
  INFE_ASSIGN(Statement insert,
              database_.Prepare(
                  "INSERT INTO api_key (id, hash, name, last4, created_at, expires_at, project)"
                  " VALUES (?, ?, ?, ?, ?, ?, ?)"));
  const KeyRecord& r = made.record;
  insert.Bind(1, r.id).BindBlob(2, HashOf(pepper_, made.key)).Bind(3, r.name).Bind(4, r.last4);
  insert.Bind(5, r.created_at).Bind(6, r.expires_at).Bind(7, r.project);
  INFE_TRY(insert.Run());
  INFE_TRY(ReloadLocked());
  return made;
}

Result<std::vector<KeyRecord>> KeyStore::List() {
  std::lock_guard lock(mutex_);
  INFE_ASSIGN(Statement query, database_.Prepare(fmt::format(
                                   "SELECT {} FROM api_key ORDER BY created_at, id", kColumns)));
  std::vector<KeyRecord> records;
  for (;;) {
    INFE_ASSIGN(const bool row, query.Step());
    if (!row) return records;
    records.push_back(ReadRecord(query));
  }
}

Result<KeyRecord> KeyStore::Revoke(const std::string& id_or_name) {
  std::lock_guard lock(mutex_);
  INFE_ASSIGN(Statement query, database_.Prepare(fmt::format(
                                   "SELECT {} FROM api_key WHERE id = ?1 OR name = ?1", kColumns)));
  query.Bind(1, id_or_name);
  std::vector<KeyRecord> found;
  for (;;) {
    INFE_ASSIGN(const bool row, query.Step());
    if (!row) break;
    found.push_back(ReadRecord(query));
  }
  if (found.empty())
    return NotFound(
        fmt::format("there is no key with the id or name {}; see: infe keys list", id_or_name));
  if (found.size() > 1)
    return InvalidArgument(
        fmt::format("{} keys are named {}: revoke one by its id; see: infe keys list", found.size(),
                    id_or_name));
  KeyRecord record = std::move(found.front());
  if (record.revoked_at == 0) {
    record.revoked_at = std::time(nullptr);
    INFE_ASSIGN(Statement update,
                database_.Prepare("UPDATE api_key SET revoked_at = ? WHERE id = ?"));
    update.Bind(1, record.revoked_at).Bind(2, record.id);
    INFE_TRY(update.Run());
  }
  INFE_TRY(ReloadLocked());
  return record;
}

std::optional<KeyRecord> KeyStore::Find(std::string_view key, int64_t now) {
  // Hashed whether or not the key looks right, so that every refusal costs the same.
  const std::string hash = HashOf(pepper_, key);
  std::lock_guard lock(mutex_);
  MaybeReloadLocked();
  const auto found = by_hash_.find(hash);
  if (found == by_hash_.end()) return std::nullopt;
  const auto bytes = [](const std::string& s) {
    return std::span(reinterpret_cast<const uint8_t*>(s.data()), s.size());
  };
  if (!EqualConstantTime(bytes(found->first), bytes(hash))) return std::nullopt;
  const KeyRecord& record = found->second;
  if (record.revoked_at != 0 || (record.expires_at != 0 && record.expires_at <= now))
    return std::nullopt;
  return record;
}

bool KeyStore::HasKeys() {
  std::lock_guard lock(mutex_);
  MaybeReloadLocked();
  return !by_hash_.empty();
}

void KeyStore::MaybeReloadLocked() {
  const auto now = std::chrono::steady_clock::now();
  if (now - checked_at_ < kReloadInterval) return;
  checked_at_ = now;
  // data_version changes when another connection has committed: one cheap pragma instead of a read.
  auto query = database_.Prepare("PRAGMA data_version");
  if (!query) return;
  auto row = query->Step();
  if (!row || !*row || query->Int(0) == data_version_) return;
  (void)ReloadLocked();  // on failure the last good view serves on
}

Result<void> KeyStore::ReloadLocked() {
  {
    INFE_ASSIGN(Statement version, database_.Prepare("PRAGMA data_version"));
    INFE_ASSIGN(const bool row, version.Step());
    if (row) data_version_ = version.Int(0);
  }
  INFE_ASSIGN(Statement query,
              database_.Prepare(fmt::format("SELECT {}, hash FROM api_key", kColumns)));
  std::unordered_map<std::string, KeyRecord> fresh;
  for (;;) {
    INFE_ASSIGN(const bool row, query.Step());
    if (!row) break;
    fresh.emplace(query.Text(7), ReadRecord(query));
  }
  by_hash_ = std::move(fresh);
  return {};
}

}  // namespace infe::store

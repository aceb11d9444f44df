// API keys: made, listed, revoked, looked up. The database keeps HMAC-SHA-256(pepper, key) only;
// the key itself is shown once. Look-ups are answered from memory and see a revocation made by
// another process (the command line) within kReloadInterval.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "store/data_dir.h"
#include "store/sqlite.h"

namespace infe::store {

struct KeyRecord {
  std::string id;  // key_...
  std::string name;
  std::string last4;
  int64_t created_at = 0;  // Unix seconds
  int64_t expires_at = 0;  // 0: never
  int64_t revoked_at = 0;  // 0: not revoked
  std::string project = "default";
};

struct NewKey {
  KeyRecord record;
  std::string key;  // the only time it exists outside its owner's hands
};

class KeyStore {
 public:
  // How old the in-memory view may be: revocation takes effect within it.
  static constexpr auto kReloadInterval = std::chrono::milliseconds(250);

  static Result<std::unique_ptr<KeyStore>> Open(const DataDir& dir);

  // Thread-safe, all of them.
  Result<NewKey> Create(const std::string& name, int64_t expires_at);
  Result<std::vector<KeyRecord>> List();
  // By id or by unique name. NotFound if there is none; an already revoked key is no error.
  Result<KeyRecord> Revoke(const std::string& id_or_name);
  // The live record of a presented key: not revoked, not expired at `now` (Unix seconds).
  std::optional<KeyRecord> Find(std::string_view key, int64_t now);
  // Whether any key was ever made: a server without keys is open to loopback only.
  bool HasKeys();

 private:
  KeyStore(Database database, std::string pepper)
      : database_(std::move(database)), pepper_(std::move(pepper)) {}
  Result<void> Migrate();
  Result<void> ReloadLocked();
  void MaybeReloadLocked();

  std::mutex mutex_;
  Database database_;
  const std::string pepper_;
  int64_t data_version_ = -1;
  std::chrono::steady_clock::time_point checked_at_{};
  std::unordered_map<std::string, KeyRecord> by_hash_;  // key: raw HMAC bytes
};

}  // namespace infe::store

// API keys: made, listed, changed, rotated, revoked, looked up. The database keeps
// HMAC-SHA-256(pepper, key) only; the key itself is shown once.
//
// Look-ups are answered from memory. A thread of the store reads the keys anew when somebody, in
// this process or another, has changed one: it looks every kPollInterval, so a revocation takes
// effect within a second everywhere. While the database cannot be reached, the last good view
// serves on; view_age() tells how old it is.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "store/audit_log.h"
#include "store/data_dir.h"
#include "store/key_edit.h"
#include "store/key_record.h"
#include "store/sql.h"

namespace infe::store {

struct KeyFilter {
  std::optional<std::string> project;
  std::optional<KeyKind> kind;
  std::string after;  // the id of the last key of the page before; empty: from the start
  size_t limit = 0;   // 0: all
};

enum class KeyState {
  kNone,     // no key was ever made with this data folder
  kThere,    // there are keys, live ones or not
  kLost,     // keys were made, and the database holds none: it was lost, emptied or exchanged
  kForeign,  // the keys were made with another pepper than this process has: none can be checked
};

class KeyStore {
 public:
  // How old the in-memory view may be: a change takes effect within it and the time of one query.
  static constexpr auto kPollInterval = std::chrono::milliseconds(250);

  // Opens or makes the database of `url` (store/database.h), bringing its schema up to date.
  // kCorrupt: there are keys, and the pepper is missing or not theirs. kPermissionDenied: others
  // may write to the pepper or the database.
  static Result<std::unique_ptr<KeyStore>> Open(const DataDir& dir, const std::string& url = {});
  ~KeyStore();

  // Thread-safe, all of them. Those that change something return when the change is durable and
  // this process's view has it.
  // And each with its entry in the audit log, in one transaction.
  Result<NewKey> Create(const KeyPolicy& policy, KeyKind kind, const ChangeBy& by);
  // A key of the operator's own (CheckGivenKey).
  Result<NewKey> Import(const KeyPolicy& policy, KeyKind kind, const std::string& key,
                        const ChangeBy& by);
  // Oldest first.
  Result<std::vector<KeyRecord>> List(const KeyFilter& filter = {});
  // By id or by unique name. NotFound if there is none; InvalidArgument if several have the name.
  Result<KeyRecord> Get(const std::string& id_or_name);
  // Everything of the policy but the scopes' class; the account's other keys are left alone.
  Result<KeyRecord> Update(const std::string& id_or_name, const KeyPolicy& policy,
                           const ChangeBy& by);
  // An already revoked key is no error.
  Result<KeyRecord> Revoke(const std::string& id_or_name, const ChangeBy& by);
  // A new key of the same account and policy; the old one lives on for `overlap_s` at most. The new
  // key keeps the policy's expiry.
  Result<NewKey> Rotate(const std::string& id_or_name, int64_t overlap_s, const ChangeBy& by);
  // Several of these at once: all that `edit` does is one transaction, undone if it returns an
  // error. `edit` must not call the store.
  Result<void> Edit(const ChangeBy& by, const std::function<Result<void>(KeyEdit&)>& edit);
  // For a pepper that is lost for good: revokes every key and makes a new pepper. The number of
  // keys that were live. Running servers refuse every key until they start anew.
  static Result<int64_t> ReplacePepper(const DataDir& dir, const std::string& url,
                                       const ChangeBy& by);

  // The live record of a presented key at `now` (Unix seconds), from memory; its use is noted.
  std::optional<KeyRecord> Find(std::string_view key, int64_t now);
  // Whether there are keys, live ones or not.
  bool HasKeys() const { return state() == KeyState::kThere; }
  KeyState state() const;
  // Keys that are over at `now` (Unix seconds) are marked so, for good. Now and then.
  void NoteExpired(int64_t now);
  // Since the view was last known to be the database's.
  std::chrono::milliseconds view_age() const;

 private:
  struct View {
    std::unordered_map<std::string, KeyRecord> by_hash;  // key: raw HMAC bytes
    int64_t generation = -1;
    bool foreign = false;  // of another pepper
  };

  KeyStore(const DataDir& dir, std::unique_ptr<SqlConnection> database, std::string pepper);
  Result<void> ReloadLocked();
  void Poll();
  void WriteLastUsedLocked();
  void WriteExpiredLocked();

  const DataDir dir_;
  const std::string pepper_;
  std::mutex database_mutex_;  // held while the database works; never with view_mutex_ wanted first
  std::unique_ptr<SqlConnection> database_;

  mutable std::mutex view_mutex_;  // held for moments
  std::condition_variable stopping_changed_;
  std::shared_ptr<const View> view_;  // shared: a look-up may outlive the next reload
  std::chrono::steady_clock::time_point view_checked_at_;
  struct Use {
    int64_t at = 0, written = 0;  // Unix seconds, cut to the minute
  };
  std::unordered_map<std::string, Use> uses_;  // by key id
  // Keys that were seen to be over: by id, the expires_at that passed. Until the view has it.
  std::unordered_map<std::string, int64_t> expired_;
  bool had_keys_ = false;
  bool stopping_ = false;
  std::thread poller_;
};

}  // namespace infe::store

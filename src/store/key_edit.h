// Changes of keys inside one transaction, with their entries in the audit log: all of them happen
// or none, and none without its entry. KeyStore::Edit opens one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "store/audit_log.h"
#include "store/key_record.h"
#include "store/sql.h"

namespace infe::store {

struct NewKey {
  KeyRecord record;
  std::string key;  // the only time it exists outside its owner's hands
};

// A policy as the audit log and `infe keys --json` name its fields. limits: an object of its own.
Json PolicyFields(const KeyPolicy& policy);

class KeyEdit {
 public:
  // now: Unix seconds.
  KeyEdit(SqlConnection& database, const std::string& pepper, const ChangeBy& by, int64_t now)
      : database_(database), pepper_(pepper), by_(by), now_(now) {}

  Result<KeyRecord> Get(const std::string& id_or_name);
  Result<NewKey> Create(const KeyPolicy& policy, KeyKind kind);
  // A key whose text somebody else has made (CheckGivenKey). kInvalidArgument: there is that key.
  Result<NewKey> Import(const KeyPolicy& policy, KeyKind kind, const std::string& key);
  // Everything of the policy but the scopes' class. asked: fields to be in the audit entry, with
  // their old and new values, beside those that differ: "name", "limits.tokens_per_day".
  Result<KeyRecord> Update(KeyRecord record, const KeyPolicy& policy,
                           const std::vector<std::string>& asked = {});
  // An already revoked key is no error.
  Result<KeyRecord> Revoke(KeyRecord record);
  // A new key of the same account and policy; the old one lives on for `overlap_s` at most.
  Result<NewKey> Rotate(KeyRecord old, int64_t overlap_s);
  // An entry of the caller's own, before those of the changes. detail: see AuditEntry.
  void NoteFirst(const std::string& event, const std::string& project, const std::string& target,
                 const Json& detail);
  // Of the last change's entry.
  const Json& last_detail() const { return last_detail_; }
  // Appends the entries: the last step before the commit.
  Result<void> WriteEntries();

 private:
  Result<NewKey> Insert(KeyRecord record, std::string key);
  Result<NewKey> Add(const KeyPolicy& policy, KeyKind kind, std::string key);
  Result<void> FitPepper();
  AuditEntry EntryOf(const std::string& event, const std::string& project,
                     const std::string& target, const Json& detail) const;
  void Note(const std::string& event, const KeyRecord& key, Json detail);

  SqlConnection& database_;
  const std::string& pepper_;
  const ChangeBy& by_;
  const int64_t now_;
  std::vector<AuditEntry> entries_;
  Json last_detail_;
};

}  // namespace infe::store

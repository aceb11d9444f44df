#include "store/key_edit.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/random.h"
#include "base/sha256.h"
#include "store/key_table.h"
#include "store/key_text.h"
#include "store/pepper.h"

namespace infe::store {
namespace {

std::string NewId(std::string_view prefix) {
  uint8_t bytes[12];
  FillRandom(bytes, sizeof bytes);
  return std::string(prefix) + ToHex(bytes);
}

Json ListOf(const std::vector<std::string>& texts) {
  Json list = Json::MakeArray();
  for (const std::string& text : texts) list.push_back(text);
  return list;
}

// The members of `fields` that are asked for or differ from those of `other`.
Json Differing(const Json& fields, const Json& other, const std::vector<std::string>& asked,
               const std::string& prefix = {}) {
  Json some = Json::MakeObject();
  for (const auto& [name, value] : fields.object()) {
    const Json& theirs = *other.find(name);
    if (value.is_object()) {
      Json inner = Differing(value, theirs, asked, name + ".");
      if (!inner.object().empty()) some.set(name, std::move(inner));
      continue;
    }
    const bool wanted = std::find(asked.begin(), asked.end(), prefix + name) != asked.end();
    if (wanted || value.Dump() != theirs.Dump()) some.set(name, value);
  }
  return some;
}

}  // namespace

Json PolicyFields(const KeyPolicy& policy) {
  const KeyLimits& limits = policy.limits;
  return Json::Object{{"name", policy.name},
                      {"project", policy.project},
                      {"scopes", ListOf(ScopeNames(policy.scopes))},
                      {"models", ListOf(policy.models)},
                      {"weight", policy.weight},
                      {"expires_at", policy.expires_at},
                      {"limits", Json::Object{{"requests_per_minute", limits.requests_per_minute},
                                              {"tokens_per_minute", limits.tokens_per_minute},
                                              {"concurrent_requests", limits.concurrent_requests},
                                              {"requests_per_day", limits.requests_per_day},
                                              {"tokens_per_day", limits.tokens_per_day},
                                              {"tokens_per_month", limits.tokens_per_month}}}};
}

AuditEntry KeyEdit::EntryOf(const std::string& event, const std::string& project,
                            const std::string& target, const Json& detail) const {
  AuditEntry entry;
  entry.at = now_;
  entry.event = event;
  entry.actor = by_.actor;
  entry.address = by_.address;
  entry.project = project;
  entry.target = target;
  entry.detail = detail.Dump();
  return entry;
}

// Admin keys are of no project.
void KeyEdit::Note(const std::string& event, const KeyRecord& key, Json detail) {
  const std::string project = key.kind == KeyKind::kAdmin ? std::string() : key.project;
  entries_.push_back(EntryOf(event, project, key.id, detail));
  last_detail_ = std::move(detail);
}

void KeyEdit::NoteFirst(const std::string& event, const std::string& project,
                        const std::string& target, const Json& detail) {
  entries_.insert(entries_.begin(), EntryOf(event, project, target, detail));
}

Result<void> KeyEdit::WriteEntries() {
  for (AuditEntry& entry : entries_) INFE_TRY(AppendAudit(database_, std::move(entry)));
  entries_.clear();
  return {};
}

Result<KeyRecord> KeyEdit::Get(const std::string& id_or_name) {
  return ReadKey(database_, id_or_name);
}

// The first key says which pepper it is; every other one must be of the same.
Result<void> KeyEdit::FitPepper() {
  const std::string check = PepperCheck(pepper_);
  INFE_ASSIGN(const bool others, HasAnyKey(database_));
  INFE_ASSIGN(const std::string known, ReadPepperCheck(database_));
  if (!others || known.empty()) return WritePepperCheck(database_, check);
  if (known == check) return {};
  return Corrupt(
      "the keys of this database were made with another pepper meanwhile: start anew, which says "
      "what to do");
}

// Gives the record its id and, unless it has one, its account.
Result<NewKey> KeyEdit::Insert(KeyRecord record, std::string key) {
  INFE_TRY(FitPepper());
  NewKey made;
  made.key = std::move(key);
  record.id = NewId("key_");
  if (record.account.empty()) record.account = record.id;
  record.last4 = made.key.substr(made.key.size() - 4);
  record.created_by = by_.actor;
  record.created_at = now_;
  record.revoked_at = record.last_used_at = record.expired_seen = 0;
  const Sha256Digest digest = HmacSha256(pepper_, made.key);
  INFE_TRY(InsertKey(database_, {record, std::string(digest.begin(), digest.end())}));
  made.record = std::move(record);
  return made;
}

Result<NewKey> KeyEdit::Create(const KeyPolicy& policy, KeyKind kind) {
  return Add(policy, kind, NewKeyText(kind));
}

Result<NewKey> KeyEdit::Import(const KeyPolicy& policy, KeyKind kind, const std::string& key) {
  INFE_TRY(CheckGivenKey(key));
  const Sha256Digest digest = HmacSha256(pepper_, key);
  INFE_ASSIGN(const std::vector<KeyRow> rows, ReadKeys(database_));
  for (const KeyRow& row : rows)
    if (row.hash == std::string(digest.begin(), digest.end()))
      return InvalidArgument(fmt::format("that key is there already: {}", row.record.id));
  return Add(policy, kind, key);
}

Result<NewKey> KeyEdit::Add(const KeyPolicy& policy, KeyKind kind, std::string key) {
  INFE_TRY(Validate(policy, kind));
  KeyRecord record;
  static_cast<KeyPolicy&>(record) = policy;
  record.kind = kind;
  INFE_ASSIGN(NewKey made, Insert(std::move(record), std::move(key)));
  Note("api_key.created", made.record, Json::Object{{"data", PolicyFields(policy)}});
  return made;
}

Result<KeyRecord> KeyEdit::Update(KeyRecord record, const KeyPolicy& policy,
                                  const std::vector<std::string>& asked) {
  INFE_TRY(Validate(policy, record.kind));
  if (record.revoked_at != 0)
    return InvalidArgument(fmt::format("the key {} is revoked: make a new one", record.id));
  const Json before = PolicyFields(record), after = PolicyFields(policy);
  static_cast<KeyPolicy&>(record) = policy;
  INFE_TRY(UpdateKey(database_, record));
  Note("api_key.updated", record,
       Json::Object{{"changes_requested", Differing(after, before, asked)},
                    {"changes_from", Differing(before, after, asked)}});
  return record;
}

Result<KeyRecord> KeyEdit::Revoke(KeyRecord record) {
  if (record.revoked_at != 0) return record;
  record.revoked_at = now_;
  INFE_TRY(UpdateKey(database_, record));
  Note("api_key.deleted", record, Json::Object{{"changes_from", PolicyFields(record)}});
  return record;
}

Result<NewKey> KeyEdit::Rotate(KeyRecord old, int64_t overlap_s) {
  if (overlap_s < 0) return InvalidArgument("the overlap cannot be negative", "overlap");
  if (!old.IsLive(now_))
    return InvalidArgument(fmt::format("the key {} is {}: make a new one with infe keys create",
                                       old.id, old.revoked_at != 0 ? "revoked" : "expired"));
  INFE_ASSIGN(NewKey made, Insert(old, NewKeyText(old.kind)));
  Json data = PolicyFields(made.record);
  data.set("rotated_from", old.id);
  Note("api_key.created", made.record, Json::Object{{"data", std::move(data)}});
  const int64_t end = now_ + overlap_s;
  if (old.expires_at == 0 || old.expires_at > end) {
    KeyPolicy shorter = old;
    shorter.expires_at = end;
    INFE_TRY(Update(std::move(old), shorter));
  }
  return made;
}

}  // namespace infe::store

// /v1/organization: service accounts and keys of projects, admin keys. A service account is an
// account of the key store: what limits are counted by, with one key, or two while one is rotated.
#include <algorithm>
#include <functional>

#include "api/openai/admin_request.h"
#include "base/json.h"
#include "server/door/errors.h"
#include "server/handlers/admin.h"
#include "store/key_text.h"

namespace infe::server {
namespace {

constexpr std::string_view kKeyPrefix = "key_", kAccountPrefix = "svc_acct_";

const api::ParseOptions& Options() {
  static const api::ParseOptions options;
  return options;
}

// An account's id on the wire is made from that of its first key.
std::string AccountId(const std::string& account) {
  return std::string(kAccountPrefix) +
         (account.starts_with(kKeyPrefix) ? account.substr(kKeyPrefix.size()) : account);
}

std::string RedactedOf(const store::KeyRecord& record) {
  return (record.kind == store::KeyKind::kAdmin ? "sk-infe-admin-..." : "sk-infe-...") +
         record.last4;
}

api::KeyObject ToWire(const store::KeyRecord& record) {
  api::KeyObject key;
  key.id = record.id;
  key.name = record.name;
  key.redacted_value = RedactedOf(record);
  key.owner_id = AccountId(record.account);
  key.owner_name = record.name;
  key.created_at = record.created_at;
  key.last_used_at = record.last_used_at;
  key.expires_at = record.expires_at;
  key.scopes = store::ScopeNames(record.scopes);
  key.limits = {.requests_per_minute = record.limits.requests_per_minute,
                .tokens_per_minute = record.limits.tokens_per_minute,
                .concurrent_requests = record.limits.concurrent_requests,
                .requests_per_day = record.limits.requests_per_day,
                .tokens_per_day = record.limits.tokens_per_day,
                .tokens_per_month = record.limits.tokens_per_month};
  key.models = record.models;
  key.weight = record.weight;
  return key;
}

api::ServiceAccountObject AccountOf(const store::KeyRecord& record) {
  return {AccountId(record.account), record.name, record.created_at};
}

// Live keys of a class, oldest first; of one project, unless that is empty.
Result<std::vector<store::KeyRecord>> LiveKeys(const AdminCall& call, store::KeyKind kind,
                                               const std::string& project = {}) {
  store::KeyFilter filter;
  filter.kind = kind;
  if (!project.empty()) filter.project = project;
  INFE_ASSIGN(std::vector<store::KeyRecord> keys, call.services.keys.List(filter));
  std::erase_if(keys, [&](const store::KeyRecord& key) { return !key.IsLive(call.now); });
  return keys;
}

Result<store::KeyRecord> FindKey(const AdminCall& call, store::KeyKind kind,
                                 const std::string& project = {}) {
  INFE_ASSIGN(const auto keys, LiveKeys(call, kind, project));
  const std::string id = call.Param("key");
  for (const store::KeyRecord& key : keys)
    if (key.id == id) return key;
  return NotFound("there is no key " + id);
}

// All live keys of the account that the path names.
Result<std::vector<store::KeyRecord>> KeysOfAccount(const AdminCall& call) {
  INFE_ASSIGN(auto keys, LiveKeys(call, store::KeyKind::kApi, call.Param("project")));
  const std::string id = call.Param("account");
  std::erase_if(keys, [&](const store::KeyRecord& key) { return AccountId(key.account) != id; });
  if (keys.empty()) return NotFound("there is no service account " + id);
  return keys;
}

Result<void> Apply(const api::AdminBody& body, int64_t now, store::KeyPolicy& policy) {
  if (body.name) policy.name = *body.name;
  if (body.expires_in_seconds) policy.expires_at = now + *body.expires_in_seconds;
  if (body.models) policy.models = *body.models;
  if (body.weight) policy.weight = *body.weight;
  if (body.scopes) {
    policy.scopes = 0;
    for (const std::string& name : *body.scopes) {
      INFE_ASSIGN(const store::KeyScopes scope, store::ParseScope(name));
      policy.scopes |= scope;
    }
  }
  const auto take = [](const std::optional<int64_t>& from, int64_t& to) { to = from.value_or(to); };
  take(body.limits.requests_per_minute, policy.limits.requests_per_minute);
  take(body.limits.tokens_per_minute, policy.limits.tokens_per_minute);
  take(body.limits.concurrent_requests, policy.limits.concurrent_requests);
  take(body.limits.requests_per_day, policy.limits.requests_per_day);
  take(body.limits.tokens_per_day, policy.limits.tokens_per_day);
  take(body.limits.tokens_per_month, policy.limits.tokens_per_month);
  return {};
}

// The fields that the body names, as the audit log calls them.
std::vector<std::string> AskedFields(const api::AdminBody& body) {
  std::vector<std::string> asked;
  const auto add = [&](const char* name, bool given) {
    if (given) asked.emplace_back(name);
  };
  const api::KeyLimitFields& limits = body.limits;
  add("name", body.name.has_value());
  add("expires_at", body.expires_in_seconds.has_value());
  add("scopes", body.scopes.has_value());
  add("models", body.models.has_value());
  add("weight", body.weight.has_value());
  add("limits.requests_per_minute", limits.requests_per_minute.has_value());
  add("limits.tokens_per_minute", limits.tokens_per_minute.has_value());
  add("limits.concurrent_requests", limits.concurrent_requests.has_value());
  add("limits.requests_per_day", limits.requests_per_day.has_value());
  add("limits.tokens_per_day", limits.tokens_per_day.has_value());
  add("limits.tokens_per_month", limits.tokens_per_month.has_value());
  return asked;
}

// Changes one key by the body, as it is in this transaction.
Result<store::KeyRecord> Change(const AdminCall& call, store::KeyEdit& edit, const std::string& id,
                                const api::AdminBody& body) {
  INFE_ASSIGN(store::KeyRecord record, edit.Get(id));
  store::KeyPolicy policy = record;
  INFE_TRY(Apply(body, call.now, policy));
  return edit.Update(std::move(record), policy, AskedFields(body));
}

// The parts of one change, in one transaction with their audit entries.
Result<void> Edit(const AdminCall& call, const std::function<Result<void>(store::KeyEdit&)>& edit) {
  return call.services.keys.Edit(ChangeBy(call), edit);
}

Result<void> ActiveProject(const AdminCall& call) {
  INFE_ASSIGN(const store::ProjectRecord project,
              call.services.projects.Get(call.Param("project")));
  if (project.archived_at != 0)
    return InvalidArgument("the project " + project.id + " is archived");
  return {};
}

}  // namespace

api::Parsed<std::string> CreateServiceAccount(const AdminCall& call) {
  auto body = api::ParseAdminBody(call.http.body, api::NameIs::kRequired, Options());
  if (!body) return std::move(body).error();
  if (auto active = ActiveProject(call); !active) return ToRefusal(active.error());
  store::KeyPolicy policy;
  policy.project = call.Param("project");
  if (auto applied = Apply(*body, call.now, policy); !applied) return ToRefusal(applied.error());
  store::NewKey made;
  api::ServiceAccountObject account;
  const auto done = Edit(call, [&](store::KeyEdit& edit) -> Result<void> {
    INFE_ASSIGN(made, edit.Create(policy, store::KeyKind::kApi));
    account = AccountOf(made.record);
    Json data = store::PolicyFields(policy);
    data.set("api_key_id", made.record.id);
    edit.NoteFirst("service_account.created", policy.project, account.id,
                   Json::Object{{"data", std::move(data)}});
    return {};
  });
  if (!done) return ToRefusal(done.error());
  return api::WriteCreated(account, ToWire(made.record), made.key);
}

api::Parsed<std::string> ListServiceAccounts(const AdminCall& call) {
  auto query = api::ParseListQuery(call.http.query);
  if (!query) return std::move(query).error();
  auto keys = LiveKeys(call, store::KeyKind::kApi, call.Param("project"));
  if (!keys) return ToRefusal(keys.error());
  std::vector<api::ServiceAccountObject> accounts;
  for (const store::KeyRecord& key : *keys) {
    const api::ServiceAccountObject account = AccountOf(key);
    const bool known = std::any_of(accounts.begin(), accounts.end(),
                                   [&](const auto& other) { return other.id == account.id; });
    if (!known) accounts.push_back(account);
  }
  return api::Write(PageOf(accounts, query->after, query->limit,
                           [](const auto& account) { return api::Write(account); }));
}

api::Parsed<std::string> GetServiceAccount(const AdminCall& call) {
  auto keys = KeysOfAccount(call);
  if (!keys) return ToRefusal(keys.error());
  return api::Write(AccountOf(keys->front()));
}

api::Parsed<std::string> UpdateServiceAccount(const AdminCall& call) {
  auto body = api::ParseAdminBody(call.http.body, api::NameIs::kOptional, Options());
  if (!body) return std::move(body).error();
  auto keys = KeysOfAccount(call);
  if (!keys) return ToRefusal(keys.error());
  api::ServiceAccountObject account;
  const auto done = Edit(call, [&](store::KeyEdit& edit) -> Result<void> {
    Json detail;
    for (store::KeyRecord& key : *keys) {
      INFE_ASSIGN(key, Change(call, edit, key.id, *body));
      if (detail.is_null()) detail = edit.last_detail();
    }
    account = AccountOf(keys->front());
    edit.NoteFirst("service_account.updated", call.Param("project"), account.id, detail);
    return {};
  });
  if (!done) return ToRefusal(done.error());
  return api::Write(account);
}

api::Parsed<std::string> DeleteServiceAccount(const AdminCall& call) {
  auto keys = KeysOfAccount(call);
  if (!keys) return ToRefusal(keys.error());
  const std::string id = call.Param("account");
  const auto done = Edit(call, [&](store::KeyEdit& edit) -> Result<void> {
    for (const store::KeyRecord& key : *keys) {
      INFE_ASSIGN(store::KeyRecord record, edit.Get(key.id));
      INFE_TRY(edit.Revoke(std::move(record)));
    }
    edit.NoteFirst("service_account.deleted", call.Param("project"), id,
                   Json::Object{{"changes_from", store::PolicyFields(keys->front())}});
    return {};
  });
  if (!done) return ToRefusal(done.error());
  return api::WriteDeleted(id, "organization.project.service_account");
}

api::Parsed<std::string> ListProjectKeys(const AdminCall& call) {
  auto query = api::ParseListQuery(call.http.query);
  if (!query) return std::move(query).error();
  auto keys = LiveKeys(call, store::KeyKind::kApi, call.Param("project"));
  if (!keys) return ToRefusal(keys.error());
  return api::Write(PageOf(*keys, query->after, query->limit,
                           [](const auto& key) { return api::WriteProjectKey(ToWire(key)); }));
}

api::Parsed<std::string> GetProjectKey(const AdminCall& call) {
  auto key = FindKey(call, store::KeyKind::kApi, call.Param("project"));
  if (!key) return ToRefusal(key.error());
  return api::WriteProjectKey(ToWire(*key));
}

api::Parsed<std::string> UpdateProjectKey(const AdminCall& call) {
  auto body = api::ParseAdminBody(call.http.body, api::NameIs::kOptional, Options());
  if (!body) return std::move(body).error();
  auto key = FindKey(call, store::KeyKind::kApi, call.Param("project"));
  if (!key) return ToRefusal(key.error());
  store::KeyRecord changed;
  const auto done = Edit(call, [&](store::KeyEdit& edit) -> Result<void> {
    INFE_ASSIGN(changed, Change(call, edit, key->id, *body));
    return {};
  });
  if (!done) return ToRefusal(done.error());
  return api::WriteProjectKey(ToWire(changed));
}

namespace {

api::Parsed<std::string> Revoke(const AdminCall& call, const Result<store::KeyRecord>& key,
                                const char* kind) {
  if (!key) return ToRefusal(key.error());
  auto revoked = call.services.keys.Revoke(key->id, ChangeBy(call));
  if (!revoked) return ToRefusal(revoked.error());
  return api::WriteDeleted(key->id, kind);
}

}  // namespace

api::Parsed<std::string> DeleteProjectKey(const AdminCall& call) {
  return Revoke(call, FindKey(call, store::KeyKind::kApi, call.Param("project")),
                "organization.project.api_key");
}

api::Parsed<std::string> ListAdminKeys(const AdminCall& call) {
  auto query = api::ParseListQuery(call.http.query);
  if (!query) return std::move(query).error();
  auto keys = LiveKeys(call, store::KeyKind::kAdmin);
  if (!keys) return ToRefusal(keys.error());
  if (query->newest_first) std::reverse(keys->begin(), keys->end());
  return api::Write(PageOf(*keys, query->after, query->limit,
                           [](const auto& key) { return api::WriteAdminKey(ToWire(key)); }));
}

api::Parsed<std::string> CreateAdminKey(const AdminCall& call) {
  auto body = api::ParseAdminBody(call.http.body, api::NameIs::kRequired, Options());
  if (!body) return std::move(body).error();
  store::KeyPolicy policy;
  // Nobody can give what they do not have.
  policy.scopes = call.caller.key->scopes;
  if (auto applied = Apply(*body, call.now, policy); !applied) return ToRefusal(applied.error());
  if ((policy.scopes & ~call.caller.key->scopes) != 0)
    return api::InsufficientPermissions(
        store::ScopeNames(policy.scopes & ~call.caller.key->scopes).front());
  auto made = call.services.keys.Create(policy, store::KeyKind::kAdmin, ChangeBy(call));
  if (!made) return ToRefusal(made.error());
  return api::WriteAdminKey(ToWire(made->record), made->key);
}

api::Parsed<std::string> GetAdminKey(const AdminCall& call) {
  auto key = FindKey(call, store::KeyKind::kAdmin);
  if (!key) return ToRefusal(key.error());
  return api::WriteAdminKey(ToWire(*key));
}

api::Parsed<std::string> DeleteAdminKey(const AdminCall& call) {
  return Revoke(call, FindKey(call, store::KeyKind::kAdmin), "organization.admin_api_key");
}

}  // namespace infe::server

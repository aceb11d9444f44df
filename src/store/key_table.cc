#include "store/key_table.h"

#include <algorithm>

#include <fmt/format.h>

namespace infe::store {
namespace {

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
    " concurrent_requests, requests_per_day, tokens_per_day, tokens_per_month, expired_seen, hash";

KeyRow RowOf(const SqlRows& rows, size_t row) {
  KeyRow key;
  KeyRecord& r = key.record;
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
  r.expired_seen = rows.Int(row, 20);
  key.hash = rows.Text(row, 21);
  return key;
}

}  // namespace

Result<std::vector<KeyRow>> ReadKeys(SqlConnection& connection) {
  INFE_ASSIGN(const SqlRows rows, connection.Query(fmt::format(
                                      "SELECT {} FROM api_key ORDER BY created_at, id", kColumns)));
  std::vector<KeyRow> keys;
  keys.reserve(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) keys.push_back(RowOf(rows, i));
  return keys;
}

Result<KeyRecord> ReadKey(SqlConnection& connection, const std::string& id_or_name) {
  INFE_ASSIGN(
      const SqlRows rows,
      connection.Query(fmt::format("SELECT {} FROM api_key WHERE id = $1 OR name = $2", kColumns),
                       {id_or_name, id_or_name}));
  if (rows.empty())
    return NotFound(
        fmt::format("there is no key with the id or name {}; see: infe keys list", id_or_name));
  if (rows.size() > 1)
    return InvalidArgument(
        fmt::format("{} keys are named {}: say which one by its id; see: infe "
                    "keys list",
                    rows.size(), id_or_name));
  return RowOf(rows, 0).record;
}

Result<bool> HasAnyKey(SqlConnection& connection) {
  INFE_ASSIGN(const SqlRows rows, connection.Query("SELECT id FROM api_key LIMIT 1"));
  return !rows.empty();
}

Result<void> InsertKey(SqlConnection& connection, const KeyRow& row) {
  const KeyRecord& r = row.record;
  INFE_TRY(connection.Query(
      fmt::format("INSERT INTO api_key ({}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10,"
                  " $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)",
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
       r.expired_seen,
       SqlBytes{row.hash}}));
  return {};
}

Result<void> UpdateKey(SqlConnection& connection, const KeyRecord& r) {
  INFE_TRY(connection.Query(
      "UPDATE api_key SET name = $1, project = $2, scopes = $3, models = $4, weight = $5,"
      " expires_at = $6, requests_per_minute = $7, tokens_per_minute = $8,"
      " concurrent_requests = $9, requests_per_day = $10, tokens_per_day = $11,"
      " tokens_per_month = $12, revoked_at = $13 WHERE id = $14",
      {r.name, r.project, int64_t{r.scopes}, JoinLines(r.models), r.weight, r.expires_at,
       r.limits.requests_per_minute, r.limits.tokens_per_minute, r.limits.concurrent_requests,
       r.limits.requests_per_day, r.limits.tokens_per_day, r.limits.tokens_per_month, r.revoked_at,
       r.id}));
  return {};
}

Result<void> BumpKeyGeneration(SqlConnection& connection) {
  INFE_TRY(
      connection.Query("UPDATE store_counter SET value = value + 1 WHERE name = 'key_generation'"));
  return {};
}

Result<std::string> ReadPepperCheck(SqlConnection& connection) {
  INFE_ASSIGN(const SqlRows rows,
              connection.Query("SELECT value FROM store_fact WHERE name = 'pepper_check'"));
  return rows.empty() ? std::string() : rows.Text(0, 0);
}

Result<void> WritePepperCheck(SqlConnection& connection, const std::string& check) {
  INFE_TRY(
      connection.Query("INSERT INTO store_fact (name, value) VALUES ('pepper_check', $1)"
                       " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                       {check}));
  return {};
}

}  // namespace infe::store

#include "store/schema.h"

#include <array>

#include <fmt/format.h>

namespace infe::store {
namespace {

constexpr std::array kMigrations = {
    // 1: keys, as they were before versions were counted (hence IF NOT EXISTS).
    "CREATE TABLE IF NOT EXISTS api_key ("
    " id TEXT PRIMARY KEY, hash {bytes} NOT NULL UNIQUE, name TEXT NOT NULL, last4 TEXT NOT NULL,"
    " created_at {int} NOT NULL, expires_at {int} NOT NULL DEFAULT 0,"
    " revoked_at {int} NOT NULL DEFAULT 0, project TEXT NOT NULL DEFAULT 'default') {strict};",

    // 2: policies, rotation, the ledger, the states of shared limits.
    // scopes 7: chat, models.read, usage.read. models: one a line.
    "ALTER TABLE api_key ADD COLUMN account TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE api_key ADD COLUMN kind {int} NOT NULL DEFAULT 0;"
    "ALTER TABLE api_key ADD COLUMN scopes {int} NOT NULL DEFAULT 7;"
    "ALTER TABLE api_key ADD COLUMN models TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE api_key ADD COLUMN weight {real} NOT NULL DEFAULT 1;"
    "ALTER TABLE api_key ADD COLUMN created_by TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE api_key ADD COLUMN last_used_at {int} NOT NULL DEFAULT 0;"
    "ALTER TABLE api_key ADD COLUMN requests_per_minute {int} NOT NULL DEFAULT 0;"
    "ALTER TABLE api_key ADD COLUMN tokens_per_minute {int} NOT NULL DEFAULT 0;"
    "ALTER TABLE api_key ADD COLUMN concurrent_requests {int} NOT NULL DEFAULT 0;"
    "ALTER TABLE api_key ADD COLUMN requests_per_day {int} NOT NULL DEFAULT 0;"
    "ALTER TABLE api_key ADD COLUMN tokens_per_day {int} NOT NULL DEFAULT 0;"
    "ALTER TABLE api_key ADD COLUMN tokens_per_month {int} NOT NULL DEFAULT 0;"
    "UPDATE api_key SET account = id;"
    // Counters of the stores themselves: key_generation is raised by every change of a key.
    "CREATE TABLE store_counter (name TEXT PRIMARY KEY, value {int} NOT NULL) {strict};"
    "INSERT INTO store_counter (name, value) VALUES ('key_generation', 0);"
    // One row per process that writes usage. host: machine boot and process namespace, so that the
    // same host can tell by pid and start time whether the process lives; others by heartbeat.
    "CREATE TABLE ledger_boot (id {int} PRIMARY KEY, host TEXT NOT NULL, pid {int} NOT NULL,"
    " pid_started {int} NOT NULL, started_at {int} NOT NULL, heartbeat_at {int} NOT NULL) {strict};"
    // One row per request. state 0: open, 1: settled, 2: recovered at its checkpoint.
    "CREATE TABLE usage ("
    " boot {int} NOT NULL, number {int} NOT NULL, state {int} NOT NULL, request_id TEXT NOT NULL,"
    " key_id TEXT NOT NULL, account TEXT NOT NULL, project TEXT NOT NULL, model TEXT NOT NULL,"
    " endpoint TEXT NOT NULL, service_tier TEXT NOT NULL, started_ms {int} NOT NULL,"
    " ended_ms {int} NOT NULL, status {int} NOT NULL, finish TEXT NOT NULL,"
    " reserved_tokens {int} NOT NULL, prompt_tokens {int} NOT NULL, cached_tokens {int} NOT NULL,"
    " completion_tokens {int} NOT NULL, PRIMARY KEY (boot, number)) {strict};"
    "CREATE INDEX usage_by_time ON usage (started_ms);"
    "CREATE INDEX usage_open ON usage (boot) WHERE state = 0;"
    "CREATE INDEX usage_by_account ON usage (account, started_ms);"
    // Shared limits (shared_limits.h): what is left of the buckets of a minute, in their own units,
    // and what is used of the quotas of a day and a month, leases included.
    "CREATE TABLE limit_state (account TEXT PRIMARY KEY, requests_per_minute {int} NOT NULL,"
    " tokens_per_minute {int} NOT NULL, requests_level {int} NOT NULL, tokens_level {int} NOT NULL,"
    " level_at {int} NOT NULL, day {int} NOT NULL, day_requests {int} NOT NULL,"
    " day_tokens {int} NOT NULL, month {int} NOT NULL, month_tokens {int} NOT NULL) {strict};"
    "CREATE TABLE limit_slots (account TEXT NOT NULL, boot {int} NOT NULL, slots {int} NOT NULL,"
    " renewed_at {int} NOT NULL, PRIMARY KEY (account, boot)) {strict};",

    // 3: projects as objects, their limits by model, the audit log.
    "CREATE TABLE project (id TEXT PRIMARY KEY, name TEXT NOT NULL, created_at {int} NOT NULL,"
    " archived_at {int} NOT NULL DEFAULT 0) {strict};"
    "INSERT INTO project (id, name, created_at) VALUES ('default', 'default', 0);"
    "INSERT INTO store_counter (name, value) VALUES ('project_generation', 0);"
    "CREATE TABLE project_limit (project TEXT NOT NULL, model TEXT NOT NULL,"
    " requests_per_minute {int} NOT NULL, tokens_per_minute {int} NOT NULL,"
    " requests_per_day {int} NOT NULL, PRIMARY KEY (project, model)) {strict};"
    "CREATE TABLE audit (number {int} PRIMARY KEY, at {int} NOT NULL, event TEXT NOT NULL,"
    " actor TEXT NOT NULL, address TEXT NOT NULL, project TEXT NOT NULL, target TEXT NOT NULL,"
    " detail TEXT NOT NULL, hash TEXT NOT NULL) {strict};",

    // 4: whom a request names as its end user (safety_identifier or user).
    "ALTER TABLE usage ADD COLUMN end_user TEXT NOT NULL DEFAULT '';",

    // 5: what must not change behind the stores' backs. pepper_check: of the pepper that the keys'
    // hashes were made with (pepper.h). expired_seen: the expires_at that a key has been seen to
    // pass, so that a clock set back does not bring it to life. clock_seen: the latest time, in
    // Unix seconds; usage_in_jump: rows from while the clock was ahead (store_clock.h).
    "CREATE TABLE store_fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) {strict};"
    "ALTER TABLE api_key ADD COLUMN expired_seen {int} NOT NULL DEFAULT 0;"
    "INSERT INTO store_counter (name, value) VALUES ('clock_seen', 0);"
    "CREATE TABLE usage_in_jump (boot {int} NOT NULL, number {int} NOT NULL,"
    " PRIMARY KEY (boot, number)) {strict};",

    // 6: scopes of further dialects (responses 64, messages 128, embeddings 256). A key that might
    // do all that there was still may; one that was held to less is held to it.
    "UPDATE api_key SET scopes = scopes + 448 WHERE scopes = 7;",

    // 7: what clients ask to be kept (kept_store.h). own_bytes: of an object alone; bytes: with its
    // items, and of all that a project has.
    // The scope storage is 512: for whoever has all the others.
    "UPDATE api_key SET scopes = scopes + 512 WHERE scopes = 455;"
    "CREATE TABLE kept (project TEXT NOT NULL, id TEXT NOT NULL, kind {int} NOT NULL,"
    " created_at {int} NOT NULL, expires_at {int} NOT NULL, parent TEXT NOT NULL,"
    " model TEXT NOT NULL, boot {int} NOT NULL, own_bytes {int} NOT NULL,"
    " bytes {int} NOT NULL, labels TEXT NOT NULL DEFAULT '', body TEXT NOT NULL,"
    " input TEXT NOT NULL, PRIMARY KEY (project, id)) {strict};"
    "CREATE INDEX kept_by_age ON kept (project, created_at, id);"
    "CREATE INDEX kept_by_end ON kept (expires_at);"
    "CREATE TABLE kept_item (project TEXT NOT NULL, owner TEXT NOT NULL, number {int} NOT NULL,"
    " id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (project, owner, number)) {strict};"
    "CREATE INDEX kept_item_by_id ON kept_item (project, owner, id);"
    "CREATE TABLE kept_bytes (project TEXT PRIMARY KEY, bytes {int} NOT NULL) {strict};",

    // 8: which server answered, where that was another one.
    "ALTER TABLE usage ADD COLUMN upstream TEXT NOT NULL DEFAULT '';",
};

// Any number that nobody else uses: PostgreSQL's lock that lets one process migrate at a time.
constexpr int64_t kMigrationLock = 0x696E6665;

Result<int64_t> ReadVersion(SqlConnection& connection) {
  INFE_ASSIGN(const SqlRows rows, connection.Query("SELECT max(version) FROM infe_schema"));
  return rows.empty() ? 0 : rows.Int(0, 0);
}

Result<void> LockForMigration(SqlConnection& connection) {
  if (connection.dialect() == SqlDialect::kSqlite) return {};  // Begin has the write lock
  return connection.Script(fmt::format("SELECT pg_advisory_xact_lock({})", kMigrationLock));
}

// Runs the next migration, if there is one. True: the database is up to date.
Result<bool> Step(SqlConnection& connection) {
  INFE_ASSIGN(SqlTransaction transaction, SqlTransaction::Begin(connection));
  INFE_TRY(LockForMigration(connection));
  INFE_TRY(connection.Script(
      "CREATE TABLE IF NOT EXISTS infe_schema (version {int} PRIMARY KEY) {strict}"));
  INFE_ASSIGN(const int64_t version, ReadVersion(connection));
  if (version > SchemaVersion())
    return Unsupported(fmt::format(
        "the database has schema {}, this infe knows up to {}: use the newer infe that wrote it, "
        "or a backup from before",
        version, SchemaVersion()));
  if (version == SchemaVersion()) return true;
  INFE_TRY(connection.Script(kMigrations[static_cast<size_t>(version)]));
  INFE_TRY(connection.Query("INSERT INTO infe_schema (version) VALUES ($1)", {version + 1}));
  INFE_TRY(transaction.Commit());
  return false;
}

}  // namespace

int SchemaVersion() {
  return static_cast<int>(kMigrations.size());
}

Result<void> Migrate(SqlConnection& connection) {
  for (;;) {
    INFE_ASSIGN(const bool done, Step(connection));
    if (done) return {};
  }
}

}  // namespace infe::store

// Claims about keys, on both databases.
#include "store/key_store.h"

#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <gtest/gtest.h>

#include "base/json.h"
#include "store/database.h"
#include "store/key_text.h"
#include "store/pepper.h"
#include "store/postgres.h"
#include "store/schema.h"
#include "store/secret_files.h"
#include "store/sqlite.h"
#include "store/test_databases.h"

namespace infe::store {
namespace {

namespace fs = std::filesystem;

class KeyStoreTest : public BothDatabases {
 protected:
  std::unique_ptr<KeyStore> Open() {
    auto store = KeyStore::Open(dir, url);
    EXPECT_TRUE(store) << store.error().message;
    return store ? std::move(*store) : nullptr;
  }
  // Without a schema.
  std::unique_ptr<SqlConnection> Raw() {
    auto raw = url.empty() ? OpenSqlite(dir.database_path()) : OpenPostgres(url);
    EXPECT_TRUE(raw) << raw.error().message;
    return std::move(*raw);
  }
};
INSTANTIATE_TEST_SUITE_P(On, KeyStoreTest, testing::Values(Backend::kSqlite, Backend::kPostgres),
                         BackendName);

NewKey Make(KeyStore& store, const KeyPolicy& policy, KeyKind kind = KeyKind::kApi) {
  auto made = store.Create(policy, kind, "test");
  EXPECT_TRUE(made) << made.error().message;
  return *made;
}

bool Within(std::chrono::milliseconds time, const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

TEST_P(KeyStoreTest, AKeyOfTheOperatorsOwnIsTakenOnceAndWorks) {
  const auto store = Open();
  const std::string text = "correct+horse/battery=staple~";
  const auto made = store->Import({.name = "own"}, KeyKind::kApi, text, "test");
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->key, text);
  EXPECT_EQ(made->record.last4, "ple~");
  const auto found = store->Find(text, std::time(nullptr));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->id, made->record.id);
  EXPECT_FALSE(store->Import({.name = "again"}, KeyKind::kApi, text, "test"));
  for (const char* bad : {"", "short", "with a blank in it", "tab\tand more of it",
                          "caf\xC3\xA9-caf\xC3\xA9-caf\xC3\xA9"})
    EXPECT_FALSE(store->Import({.name = "bad"}, KeyKind::kApi, bad, "test")) << bad;
  EXPECT_FALSE(store->Import({.name = "long"}, KeyKind::kApi, std::string(513, 'k'), "test"));
}

TEST(KeyText, TypingErrorsAreFoundByTheChecksum) {
  for (const KeyKind kind : {KeyKind::kApi, KeyKind::kAdmin}) {
    const std::string key = NewKeyText(kind);
    EXPECT_EQ(KindOfKey(key), kind);
    EXPECT_NE(key, NewKeyText(kind));
    for (size_t i = 8; i < key.size(); ++i) {
      std::string wrong = key;
      wrong[i] = wrong[i] == 'x' ? 'y' : 'x';
      EXPECT_FALSE(KindOfKey(wrong)) << i;
    }
    EXPECT_FALSE(KindOfKey(key + "0"));
  }
  EXPECT_EQ(RedactedKey(KeyKind::kAdmin, "ab12"), "sk-infe-admin-...ab12");
}

TEST_P(KeyStoreTest, KeysAreFoundUntilRevokedOrExpired) {
  const auto store = Open();
  EXPECT_FALSE(store->HasKeys());
  const NewKey key = Make(*store, {.name = "laptop"});
  const NewKey brief = Make(*store, {.name = "brief", .expires_at = 1000});
  EXPECT_TRUE(store->HasKeys());
  EXPECT_EQ(store->Find(key.key, 5)->name, "laptop");
  EXPECT_TRUE(store->Find(brief.key, 999));
  EXPECT_FALSE(store->Find(brief.key, 1000));
  EXPECT_FALSE(store->Find(key.key + "x", 5));
  EXPECT_FALSE(store->Find("", 5));
  EXPECT_EQ(store->Revoke("nobody", "test").error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(store->Revoke("laptop", "test"));
  EXPECT_FALSE(store->Find(key.key, 5));
  EXPECT_TRUE(store->Revoke("laptop", "test"));  // once more is no error
}

TEST_P(KeyStoreTest, APolicyComesBackAsItWasGiven) {
  const auto store = Open();
  KeyPolicy policy{.name = "team \"a\"\xC3\xA9", .project = "apollo"};
  policy.scopes = Bit(KeyScope::kChat) | Bit(KeyScope::kUsageRead);
  policy.models = {"infe-pulse", "infe-titan"};
  policy.weight = 2.5;
  policy.limits = {1, 2, 3, 4, 5, 1'000'000'000'000};
  policy.expires_at = 4'000'000'000;
  const NewKey made = Make(*store, policy);
  const auto reopened = Open();
  const auto found = reopened->Find(made.key, 5);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->name, policy.name);
  EXPECT_EQ(found->project, "apollo");
  EXPECT_EQ(found->scopes, policy.scopes);
  EXPECT_EQ(found->models, policy.models);
  EXPECT_EQ(found->weight, 2.5);
  EXPECT_EQ(found->limits, policy.limits);
  EXPECT_EQ(found->expires_at, 4'000'000'000);
  EXPECT_EQ(found->created_by, "test");
  EXPECT_EQ(found->account, found->id);
  EXPECT_TRUE(found->MayUseModel("infe-titan"));
  EXPECT_FALSE(found->MayUseModel("other"));
  EXPECT_FALSE(found->Has(KeyScope::kModelsRead));
}

TEST_P(KeyStoreTest, AnUpdateChangesThePolicyOnly) {
  const auto store = Open();
  const NewKey made = Make(*store, {.name = "k"});
  KeyPolicy policy = made.record;
  policy.limits.tokens_per_day = 77;
  policy.project = "b";
  ASSERT_TRUE(store->Update(made.record.id, policy, "test"));
  const auto found = store->Find(made.key, 5);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->limits.tokens_per_day, 77);
  EXPECT_EQ(found->project, "b");
  EXPECT_EQ(found->created_at, made.record.created_at);
  policy.limits.tokens_per_day = -1;
  EXPECT_EQ(store->Update("k", policy, "test").error().param, "tokens_per_day");
  policy = made.record;
  policy.scopes = kAdminScopes;
  EXPECT_EQ(store->Update("k", policy, "test").error().param, "scopes");
  ASSERT_TRUE(store->Revoke("k", "test"));
  EXPECT_FALSE(store->Update("k", made.record, "test"));
}

TEST_P(KeyStoreTest, RotationOverlapsThenTheOldKeyEnds) {
  const auto store = Open();
  KeyPolicy policy{.name = "k"};
  policy.limits.requests_per_minute = 9;
  const NewKey old = Make(*store, policy);
  const auto next = store->Rotate(old.record.id, 3600, "key_admin");
  ASSERT_TRUE(next) << next.error().message;
  const int64_t now = std::time(nullptr);
  const auto both = [&](int64_t at) {
    return std::pair(store->Find(old.key, at).has_value(), store->Find(next->key, at).has_value());
  };
  EXPECT_EQ(both(now + 3500), std::pair(true, true));
  EXPECT_EQ(both(now + 3700), std::pair(false, true));
  EXPECT_EQ(next->record.account, old.record.id);
  EXPECT_EQ(next->record.limits, policy.limits);
  EXPECT_EQ(next->record.created_by, "key_admin");
  // A second rotation keeps the account; a key that is over cannot be rotated.
  const auto third = store->Rotate(next->record.id, 0, "test");
  ASSERT_TRUE(third);
  EXPECT_EQ(third->record.account, old.record.id);
  EXPECT_FALSE(store->Find(next->key, now + 1));
  ASSERT_TRUE(store->Revoke(third->record.id, "test"));
  EXPECT_FALSE(store->Rotate(third->record.id, 0, "test"));
  EXPECT_EQ(store->Rotate("k", 0, "test").error().code, ErrorCode::kInvalidArgument);  // which?
}

TEST_P(KeyStoreTest, AnotherProcessSeesAChangeWithinASecond) {
  const auto server = Open();
  const auto command_line = Open();
  const NewKey key = Make(*command_line, {.name = "k"});
  const auto second = std::chrono::milliseconds(1000);
  EXPECT_TRUE(Within(10 * second, [&] { return server->Find(key.key, 5).has_value(); }));
  ASSERT_TRUE(command_line->Revoke(key.record.id, "test"));
  EXPECT_TRUE(Within(10 * second, [&] { return !server->Find(key.key, 5).has_value(); }));
  EXPECT_LT(server->view_age(), 10 * second);
}

TEST_P(KeyStoreTest, ListsFilterAndPage) {
  const auto store = Open();
  for (int i = 0; i < 5; ++i)
    Make(*store, {.name = "k" + std::to_string(i), .project = i % 2 == 0 ? "even" : "odd"});
  KeyPolicy admin{.name = "root"};
  admin.scopes = kAdminScopes;
  Make(*store, admin, KeyKind::kAdmin);
  EXPECT_EQ(store->List()->size(), 6u);
  KeyFilter even;
  even.project = "even";
  even.limit = 2;
  const auto first = store->List(even);
  ASSERT_EQ(first->size(), 2u);
  even.after = first->back().id;
  EXPECT_EQ(store->List(even)->size(), 1u);
  even.after = "key_none";
  EXPECT_FALSE(store->List(even));
  KeyFilter admins;
  admins.kind = KeyKind::kAdmin;
  ASSERT_EQ(store->List(admins)->size(), 1u);
  EXPECT_EQ(store->List(admins)->front().name, "root");
}

TEST_P(KeyStoreTest, TheLastUseIsWrittenToTheMinute) {
  const int64_t now = 1'800'000'123;
  std::string id;
  {
    const auto store = Open();
    const NewKey key = Make(*store, {.name = "k"});
    id = key.record.id;
    EXPECT_TRUE(store->Find(key.key, now));
  }
  EXPECT_EQ(Open()->Get(id)->last_used_at, now - now % 60);
}

TEST_P(KeyStoreTest, PoliciesThatCannotBeAreRefusedByName) {
  const auto store = Open();
  const auto param_of = [&](const KeyPolicy& policy, KeyKind kind = KeyKind::kApi) {
    const auto made = store->Create(policy, kind, "test");
    return made ? std::string("none") : made.error().param;
  };
  EXPECT_EQ(param_of({.name = ""}), "name");
  EXPECT_EQ(param_of({.name = "a\nb"}), "name");
  EXPECT_EQ(param_of({.name = "a", .project = ""}), "project");
  EXPECT_EQ(param_of({.name = "a", .scopes = kAdminScopes}), "scopes");
  EXPECT_EQ(param_of({.name = "a", .scopes = 0}), "scopes");
  EXPECT_EQ(param_of({.name = "a"}, KeyKind::kAdmin), "scopes");
  EXPECT_EQ(param_of({.name = "a", .weight = 0}), "weight");
  EXPECT_EQ(param_of({.name = "a", .models = {""}}), "model");
  KeyPolicy negative{.name = "a"};
  negative.limits.concurrent_requests = -1;
  EXPECT_EQ(param_of(negative), "concurrent_requests");
  EXPECT_EQ(ParseScope("admin.*").value(), kAdminScopes);
  EXPECT_NE(ParseScope("chatt").error().message.find("models.read"), std::string::npos);
}

TEST_P(KeyStoreTest, KeysOfTheFirstSchemaLiveOn) {
  const std::string key = Make(*Open(), {.name = "old"}).key;
  const auto row = Raw()->Query("SELECT id, hash FROM api_key");
  ASSERT_EQ(row->size(), 1u);
  // Another database, as the first release made it, under the same pepper.
  if (url.empty()) {
    fs::rename(dir.database_path(), dir.database_path() + ".before");
  } else {
    std::string why_not;
    url = PostgresServer::Shared(why_not)->NewDatabase();
  }
  {
    const auto raw = Raw();
    ASSERT_TRUE(
        raw->Script("CREATE TABLE api_key (id TEXT PRIMARY KEY, hash {bytes} NOT NULL UNIQUE,"
                    " name TEXT NOT NULL, last4 TEXT NOT NULL, created_at {int} NOT NULL,"
                    " expires_at {int} NOT NULL DEFAULT 0, revoked_at {int} NOT NULL DEFAULT 0,"
                    " project TEXT NOT NULL DEFAULT 'default') {strict}"));
    ASSERT_TRUE(
        raw->Query("INSERT INTO api_key (id, hash, name, last4, created_at)"
                   " VALUES ($1, $2, $3, $4, $5)",
                   {row->Text(0, 0), SqlBytes{row->Text(0, 1)}, std::string("old"),
                    key.substr(key.size() - 4), int64_t{7}}));
  }
  const auto store = Open();
  const auto found = store->Find(key, 5);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->account, found->id);
  EXPECT_EQ(found->created_at, 7);
  EXPECT_EQ(found->scopes, kApiScopes);
  EXPECT_EQ(found->weight, 1);
}

TEST_P(KeyStoreTest, ANewerSchemaIsRefused) {
  (void)Open();
  const auto raw = Raw();
  ASSERT_TRUE(
      raw->Query("INSERT INTO infe_schema (version) VALUES ($1)", {int64_t{SchemaVersion() + 1}}));
  const auto refused = KeyStore::Open(dir, url);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(refused.error().message.find("newer infe"), std::string::npos);
}

// What makes the API's door shut (server/door/door.h): the database lost in all the ways that it
// can be.
TEST_P(KeyStoreTest, KeysThatAreLostAreNotKeysThatNeverWere) {
  EXPECT_EQ(Open()->state(), KeyState::kNone);
  EXPECT_EQ(Open()->state(), KeyState::kNone);  // a second start with nothing
  {
    const auto store = Open();
    Make(*store, {.name = "k"});
    EXPECT_EQ(store->state(), KeyState::kThere);
  }
  if (url.empty()) {
    for (const char* file : {"infe.db", "infe.db-wal", "infe.db-shm"})
      fs::remove(dir.path + "/" + file);
  } else {
    std::string why_not;
    url = PostgresServer::Shared(why_not)->NewDatabase();
  }
  EXPECT_EQ(Open()->state(), KeyState::kLost);
  EXPECT_EQ(Open()->state(), KeyState::kLost);  // the tables have been made anew meanwhile
  const auto store = Open();
  Make(*store, {.name = "new"});
  EXPECT_EQ(store->state(), KeyState::kThere);
}

TEST_P(KeyStoreTest, KeysThatAreDeletedOrAllOverAreNotKeysThatNeverWere) {
  const auto store = Open();
  const NewKey revoked = Make(*store, {.name = "r"});
  Make(*store, {.name = "expired", .expires_at = 1000});
  ASSERT_TRUE(store->Revoke(revoked.record.id, "test"));
  EXPECT_EQ(store->state(), KeyState::kThere);
  ASSERT_TRUE(Raw()->Query("DELETE FROM api_key"));
  ASSERT_TRUE(
      Raw()->Query("UPDATE store_counter SET value = value + 1 WHERE name = 'key_generation'"));
  EXPECT_TRUE(Within(std::chrono::seconds(10), [&] { return store->state() == KeyState::kLost; }));
  EXPECT_EQ(Open()->state(), KeyState::kLost);
}

TEST(KeyStore, ADatabaseThatIsLostIsNoticedByThePepperToo) {
  for (const bool emptied : {false, true}) {
    const TemporaryDir folder;
    const DataDir dir = folder.data();
    ASSERT_TRUE(LoadPepper(dir));  // of a release that left no mark
    if (emptied) std::ofstream(dir.database_path()).flush();
    EXPECT_EQ((*KeyStore::Open(dir))->state(), KeyState::kLost) << emptied;
    EXPECT_EQ((*KeyStore::Open(dir))->state(), KeyState::kLost) << emptied;
  }
}

TEST_P(KeyStoreTest, AMissingPepperIsRefusedAndNoneIsMade) {
  Make(*Open(), {.name = "k"});
  fs::rename(dir.pepper_path(), dir.path + "/away");
  const auto refused = KeyStore::Open(dir, url);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("pepper is missing"), std::string::npos);
  EXPECT_NE(refused.error().message.find("new-pepper"), std::string::npos);
  EXPECT_FALSE(fs::exists(dir.pepper_path()));
  fs::rename(dir.path + "/away", dir.pepper_path());
  EXPECT_TRUE(KeyStore::Open(dir, url));
}

TEST_P(KeyStoreTest, AnotherPepperIsRefused) {
  Make(*Open(), {.name = "k"});
  std::ofstream(dir.pepper_path()) << std::string(32, 'x');
  const auto refused = KeyStore::Open(dir, url);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("another pepper"), std::string::npos);
  for (const size_t size : {0u, 31u, 33u}) {
    std::ofstream(dir.pepper_path()) << std::string(size, 'x');
    EXPECT_FALSE(KeyStore::Open(dir, url)) << size;
  }
}

TEST_P(KeyStoreTest, KeysOfBeforeThereWasACheckGetOne) {
  const std::string key = Make(*Open(), {.name = "k"}).key;
  ASSERT_TRUE(Raw()->Query("DELETE FROM store_fact"));
  EXPECT_TRUE(Open()->Find(key, 5));
  std::ofstream(dir.pepper_path()) << std::string(32, 'x');
  EXPECT_FALSE(KeyStore::Open(dir, url));
}

TEST_P(KeyStoreTest, APepperThatIsLostForGoodEndsItsKeysAndBeginsAnew) {
  const std::string old = Make(*Open(), {.name = "old"}).key;
  fs::remove(dir.pepper_path());
  EXPECT_EQ(*KeyStore::ReplacePepper(dir, url, "test"), 1);
  const auto store = Open();
  EXPECT_EQ(store->state(), KeyState::kThere);
  EXPECT_FALSE(store->Find(old, 5));
  const NewKey made = Make(*store, {.name = "new"});
  EXPECT_TRUE(store->Find(made.key, 5));
  // A server that still has the pepper of before checks no key, instead of refusing each as wrong.
  EXPECT_EQ(*KeyStore::ReplacePepper(dir, url, "test"), 1);
  EXPECT_TRUE(
      Within(std::chrono::seconds(10), [&] { return store->state() == KeyState::kForeign; }));
  EXPECT_FALSE(store->Create({.name = "l"}, KeyKind::kApi, "test"));
}

TEST(KeyStore, SecretsThatOthersMayWriteAreRefused) {
  const TemporaryDir folder;
  const DataDir dir = folder.data();
  Make(**KeyStore::Open(dir), {.name = "k"});
  EXPECT_TRUE(CheckSecretFiles(dir, {})->empty());
  const auto try_mode = [&](const std::string& path, int mode) {
    fs::permissions(path, static_cast<fs::perms>(mode));
    const auto told = CheckSecretFiles(dir, {});
    const bool opens = KeyStore::Open(dir).has_value();
    fs::permissions(path, static_cast<fs::perms>(0600));
    EXPECT_EQ(opens, told.has_value());
    if (!told) {
      EXPECT_NE(told.error().message.find(path), std::string::npos);
      EXPECT_NE(told.error().message.find("chmod 600"), std::string::npos);
    }
    return !told ? "refused" : told->empty() ? "well" : "told";
  };
  EXPECT_STREQ(try_mode(dir.pepper_path(), 0666), "refused");
  EXPECT_STREQ(try_mode(dir.pepper_path(), 0602), "refused");
  EXPECT_STREQ(try_mode(dir.pepper_path(), 0660), "refused");
  EXPECT_STREQ(try_mode(dir.pepper_path(), 0644), "told");
  EXPECT_STREQ(try_mode(dir.pepper_path(), 0640), "told");
  EXPECT_STREQ(try_mode(dir.pepper_path(), 0400), "well");
  EXPECT_STREQ(try_mode(dir.database_path(), 0666), "refused");
  EXPECT_STREQ(try_mode(dir.database_path(), 0660), "told");
  EXPECT_STREQ(try_mode(dir.database_path(), 0644), "told");
  const std::string tls = dir.path + "/tls.key";
  std::ofstream(tls) << "key";
  for (const auto& [mode, well] : {std::pair(0666, false), std::pair(0640, true)}) {
    fs::permissions(tls, static_cast<fs::perms>(mode));
    EXPECT_EQ(CheckSecretFiles(dir, tls).has_value(), well) << mode;
  }
}

TEST_P(KeyStoreTest, AKeyThatWasSeenToBeOverStaysSo) {
  std::string over, asked, extended;
  {
    const auto store = Open();
    over = Make(*store, {.name = "over", .expires_at = 1000}).key;
    asked = Make(*store, {.name = "asked", .expires_at = 2000}).key;
    extended = Make(*store, {.name = "extended", .expires_at = 1000}).key;
    EXPECT_TRUE(store->Find(over, 999) && store->Find(asked, 999));
    store->NoteExpired(1000);
    EXPECT_FALSE(store->Find(asked, 2000));
    // The clock is set back.
    EXPECT_FALSE(store->Find(over, 999));
    EXPECT_FALSE(store->Find(asked, 999));
    EXPECT_TRUE(Within(std::chrono::seconds(10), [&] {
      return store->Get("over")->expired_seen == 1000 && store->Get("asked")->expired_seen == 2000;
    }));
  }
  const auto store = Open();
  EXPECT_FALSE(store->Find(over, 5));
  EXPECT_FALSE(store->Find(asked, 5));
  // An owner who gives it a longer life means it.
  KeyPolicy policy = *store->Get("extended");
  policy.expires_at = 3000;
  ASSERT_TRUE(store->Update("extended", policy, "test"));
  EXPECT_TRUE(store->Find(extended, 5));
}

TEST_P(KeyStoreTest, EveryChangeAndItsEntryAreOneTransaction) {
  const auto store = Open();
  const NewKey key = Make(*store, {.name = "k"});
  ASSERT_TRUE(Raw()->Script("ALTER TABLE audit RENAME TO audit_away"));
  EXPECT_FALSE(store->Create({.name = "l"}, KeyKind::kApi, "test"));
  KeyPolicy policy = key.record;
  policy.limits.requests_per_day = 5;
  EXPECT_FALSE(store->Update("k", policy, "test"));
  EXPECT_FALSE(store->Rotate("k", 60, "test"));
  EXPECT_FALSE(store->Revoke("k", "test"));
  ASSERT_TRUE(Raw()->Script("ALTER TABLE audit_away RENAME TO audit"));
  const auto left = *store->List();
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].limits, KeyLimits{});
  EXPECT_EQ(left[0].revoked_at, 0);
  EXPECT_EQ((*AuditLog::Open(dir, url))->List({})->size(), 1u);
}

TEST_P(KeyStoreTest, AnEntryHoldsEveryFieldThatChangedOldAndNew) {
  const auto store = Open();
  KeyPolicy policy{.name = "k", .project = "a"};
  policy.limits.requests_per_day = 3;
  const NewKey made = *store->Create(policy, KeyKind::kApi, {"key_admin", "192.0.2.7"});
  policy.name = "n";
  policy.project = "b";
  policy.scopes = Bit(KeyScope::kChat);
  policy.models = {"m"};
  policy.weight = 2;
  policy.expires_at = 4'000'000'000;
  policy.limits = {1, 2, 3, 4, 5, 6};
  ASSERT_TRUE(store->Update(made.record.id, policy, "key_admin"));
  ASSERT_TRUE(store->Rotate(made.record.id, 60, "cli"));
  ASSERT_TRUE(store->Revoke(made.record.id, "cli"));
  auto log = *AuditLog::Open(dir, url);
  const auto entries = *log->List({});
  ASSERT_EQ(entries.size(), 5u);
  EXPECT_EQ(*log->FirstBroken(), 0);
  EXPECT_EQ(entries[4].address, "192.0.2.7");
  EXPECT_EQ(entries[4].actor, "key_admin");
  const Json created = *ParseJson(entries[4].detail), updated = *ParseJson(entries[3].detail);
  EXPECT_EQ(created.find("data")->find("limits")->find("requests_per_day")->as_int64(), 3);
  const Json& to = *updated.find("changes_requested");
  const Json& from = *updated.find("changes_from");
  EXPECT_EQ(to.Dump(),
            R"({"name":"n","project":"b","scopes":["chat"],"models":["m"],"weight":2,)"
            R"("expires_at":4000000000,"limits":{"requests_per_minute":1,"tokens_per_minute":2,)"
            R"("concurrent_requests":3,"requests_per_day":4,"tokens_per_day":5,)"
            R"("tokens_per_month":6}})");
  EXPECT_EQ(from.find("name")->as_string(), "k");
  EXPECT_EQ(from.find("limits")->find("requests_per_day")->as_int64(), 3);
  EXPECT_EQ(from.object().size(), to.object().size());
  EXPECT_EQ(entries[2].event, "api_key.created");
  EXPECT_EQ(ParseJson(entries[2].detail)->find("data")->find("rotated_from")->as_string(),
            made.record.id);
  EXPECT_EQ(entries[1].event, "api_key.updated");  // the old one ends sooner
  EXPECT_NE(ParseJson(entries[1].detail)->find("changes_requested")->find("expires_at"), nullptr);
  EXPECT_EQ(entries[0].event, "api_key.deleted");
}

TEST(KeyStore, ADatabaseThatIsTakenAwayIsNotMadeAnewBehindItsServer) {
  const TemporaryDir folder;
  const DataDir dir = folder.data();
  const auto store = *KeyStore::Open(dir);
  const NewKey key = Make(*store, {.name = "k"});
  fs::rename(dir.database_path(), dir.database_path() + ".away");
  std::this_thread::sleep_for(3 * KeyStore::kPollInterval);
  EXPECT_FALSE(fs::exists(dir.database_path()));
  EXPECT_EQ(store->state(), KeyState::kThere);
  EXPECT_TRUE(store->Find(key.key, 5));  // the view serves on
  EXPECT_FALSE(store->Create({.name = "l"}, KeyKind::kApi, "test"));
  fs::rename(dir.database_path() + ".away", dir.database_path());
  EXPECT_TRUE(Within(std::chrono::seconds(10), [&] {
    return store->Create({.name = "l"}, KeyKind::kApi, "test").has_value();
  }));
}

TEST(KeyStore, NoFileHoldsTheKey) {
  const TemporaryDir folder;
  std::string key;
  {
    auto store = KeyStore::Open(folder.data());
    key = Make(**store, {.name = "canary"}).key;
  }
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder.path())) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    EXPECT_EQ(text.str().find(key.substr(8, 20)), std::string::npos) << entry.path();
    ++files;
  }
  EXPECT_GE(files, 2);
}

TEST(KeyStore, LosingPostgresLeavesTheViewAndComesBack) {
  std::string why_not;
  PostgresServer* server = PostgresServer::Shared(why_not);
  if (server == nullptr) GTEST_SKIP() << why_not;
  const TemporaryDir folder;
  auto store = KeyStore::Open(folder.data(), server->NewDatabase());
  ASSERT_TRUE(store);
  const NewKey key = Make(**store, {.name = "k"});
  server->Stop();
  const auto refused = (*store)->Create({.name = "l"}, KeyKind::kApi, "test");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  EXPECT_TRUE((*store)->Find(key.key, 5));
  ASSERT_TRUE(server->Start());
  EXPECT_TRUE(Within(std::chrono::seconds(20), [&] {
    return (*store)->Create({.name = "l"}, KeyKind::kApi, "test").has_value();
  }));
}

TEST(StoreUrl, PasswordsAreNotShown) {
  EXPECT_EQ(MaskStoreUrl("postgresql://u:secret@host/db"), "postgresql://u:***@host/db");
  EXPECT_EQ(MaskStoreUrl("postgresql://u@host/db"), "postgresql://u@host/db");
  EXPECT_EQ(MaskStoreUrl("postgresql://host/db?user=u&password=secret&x=1"),
            "postgresql://host/db?user=u&password=***&x=1");
  EXPECT_FALSE(IsPostgresUrl("mysql://x"));
  EXPECT_FALSE(*IsPostgresUrl(""));
}

}  // namespace
}  // namespace infe::store

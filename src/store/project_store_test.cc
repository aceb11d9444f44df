#include "store/project_store.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "store/audit_log.h"
#include "store/database.h"
#include "store/key_store.h"
#include "store/test_databases.h"

namespace infe::store {
namespace {

using ProjectStoreTest = BothDatabases;
INSTANTIATE_TEST_SUITE_P(Databases, ProjectStoreTest,
                         testing::Values(Backend::kSqlite, Backend::kPostgres), BackendName);

TEST_P(ProjectStoreTest, AProjectIsMadeRenamedAndArchivedForGood) {
  auto projects = *ProjectStore::Open(dir, url);
  const ProjectRecord made = *projects->Create("Search", 1000, "a");
  EXPECT_TRUE(made.id.starts_with("proj_"));
  EXPECT_EQ(projects->Rename(made.id, "Find", 1500, "a")->name, "Find");
  EXPECT_FALSE(projects->IsArchived(made.id));
  EXPECT_EQ(projects->Archive(made.id, 2000, "a")->archived_at, 2000);
  EXPECT_TRUE(projects->IsArchived(made.id));
  EXPECT_FALSE(projects->Rename(made.id, "Again", 2500, "a"));
  EXPECT_FALSE(projects->SetLimits(made.id, "m", {}, 2500, "a"));
  EXPECT_EQ(projects->Get("proj_nobody").error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(projects->Create("", 1, "a"));
}

TEST_P(ProjectStoreTest, AnotherProcessSeesChangesAtItsNextRefresh) {
  auto here = *ProjectStore::Open(dir, url);
  auto there = *ProjectStore::Open(dir, url);
  const ProjectRecord made = *here->Create("Search", 1000, "a");
  ASSERT_TRUE(here->SetLimits(made.id, "infe-pulse", {7, {}, {}}, 1000, "a"));
  EXPECT_FALSE(there->Get(made.id));
  ASSERT_TRUE(there->Refresh());
  EXPECT_EQ(there->Get(made.id)->name, "Search");
  EXPECT_EQ(there->LimitsOf(made.id, "infe-pulse").requests_per_minute, 7);
  EXPECT_EQ(there->LimitsOf(made.id, "infe-titan"), KeyLimits{});
}

TEST_P(ProjectStoreTest, AProjectThatOnlyAKeyNamesIsListed) {
  auto keys = *KeyStore::Open(dir, url);
  ASSERT_TRUE(keys->Create({.name = "k", .project = "from-a-key"}, KeyKind::kApi, "cli"));
  auto projects = *ProjectStore::Open(dir, url);
  EXPECT_EQ(projects->Get("from-a-key")->name, "from-a-key");
  ASSERT_TRUE(keys->Create({.name = "l", .project = "later"}, KeyKind::kApi, "cli"));
  ASSERT_TRUE(projects->Refresh());
  EXPECT_TRUE(projects->Get("later"));
}

TEST_P(ProjectStoreTest, AChangeOfAProjectAndItsEntryAreOneTransaction) {
  auto projects = *ProjectStore::Open(dir, url);
  const ProjectRecord made = *projects->Create("Search", 1000, {"key_admin", "192.0.2.7"});
  ASSERT_TRUE(projects->SetLimits(made.id, "m", {7, {}, {}}, 1001, "a"));
  ASSERT_TRUE(projects->SetLimits(made.id, "m", {9, 8, {}}, 1002, "a"));
  auto database = *OpenDatabase(dir, url);
  ASSERT_TRUE(database->Script("ALTER TABLE audit RENAME TO audit_away"));
  EXPECT_FALSE(projects->Create("Other", 1, "a"));
  EXPECT_FALSE(projects->Rename(made.id, "Find", 1, "a"));
  EXPECT_FALSE(projects->SetLimits(made.id, "m", {1, {}, {}}, 1, "a"));
  EXPECT_FALSE(projects->Archive(made.id, 1, "a"));
  ASSERT_TRUE(database->Script("ALTER TABLE audit_away RENAME TO audit"));
  auto again = *ProjectStore::Open(dir, url);
  EXPECT_EQ(again->Get(made.id)->name, "Search");
  EXPECT_EQ(again->LimitsOf(made.id, "m").requests_per_minute, 9);
  EXPECT_FALSE(again->IsArchived(made.id));
  ASSERT_TRUE(projects->Rename(made.id, "Find", 1003, "a"));
  auto log = *AuditLog::Open(dir, url);
  const auto entries = *log->List({});
  ASSERT_EQ(entries.size(), 4u);
  EXPECT_EQ(*log->FirstBroken(), 0);
  const Json renamed = *ParseJson(entries[0].detail), limits = *ParseJson(entries[1].detail);
  EXPECT_EQ(renamed.find("changes_requested")->find("name")->as_string(), "Find");
  EXPECT_EQ(renamed.find("changes_from")->find("name")->as_string(), "Search");
  EXPECT_EQ(limits.Dump(),
            R"({"changes_requested":{"max_requests_per_1_minute":9,"max_tokens_per_1_minute":8},)"
            R"("changes_from":{"max_requests_per_1_minute":7,"max_tokens_per_1_minute":0}})");
  EXPECT_EQ(entries[3].address, "192.0.2.7");
}

AuditEntry Entry(const std::string& event, int64_t at) {
  AuditEntry entry;
  entry.event = event;
  entry.at = at;
  entry.actor = "key_admin";
  entry.target = "proj_1";
  entry.detail = "{}";
  return entry;
}

TEST_P(ProjectStoreTest, TheAuditLogIsListedNewestFirstWithFilters) {
  auto log = *AuditLog::Open(dir, url);
  for (int i = 1; i <= 5; ++i)
    ASSERT_TRUE(log->Append(Entry(i % 2 == 1 ? "project.created" : "project.archived", i)));
  auto page = *log->List({.limit = 2});
  ASSERT_EQ(page.size(), 2u);
  EXPECT_EQ(page[0].number, 5);
  page = *log->List({.before = page[1].number, .limit = 10});
  EXPECT_EQ(page.size(), 3u);
  EXPECT_EQ(log->List({.events = {"project.archived"}})->size(), 2u);
  EXPECT_EQ(log->List({.from = 2, .to = 4})->size(), 2u);
  EXPECT_TRUE(log->List({.actors = {"somebody else"}})->empty());
}

TEST_P(ProjectStoreTest, AChangedOrMissingAuditEntryShows) {
  auto log = *AuditLog::Open(dir, url);
  for (int i = 1; i <= 4; ++i) ASSERT_TRUE(log->Append(Entry("project.created", i)));
  EXPECT_EQ(*log->FirstBroken(), 0);
  auto database = *OpenDatabase(dir, url);
  ASSERT_TRUE(database->Query("UPDATE audit SET actor = 'nobody' WHERE number = 3"));
  EXPECT_EQ(*log->FirstBroken(), 3);
  ASSERT_TRUE(database->Query("UPDATE audit SET actor = 'key_admin' WHERE number = 3"));
  EXPECT_EQ(*log->FirstBroken(), 0);
  ASSERT_TRUE(database->Query("DELETE FROM audit WHERE number = 2"));
  EXPECT_EQ(*log->FirstBroken(), 2);
}

}  // namespace
}  // namespace infe::store

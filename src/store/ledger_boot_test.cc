// Claims about who is taken for dead, on both databases.
#include "store/ledger_boot.h"

#include <gtest/gtest.h>

#include "store/database.h"
#include "store/test_databases.h"

namespace infe::store {
namespace {

constexpr int64_t kNow = 1'800'000'000;

class LedgerBootTest : public BothDatabases {
 protected:
  void SetUp() override {
    BothDatabases::SetUp();
    if (IsSkipped()) return;
    auto opened = OpenDatabase(dir, url);
    ASSERT_TRUE(opened) << opened.error().message;
    database = std::move(*opened);
  }
  // A process with one open row.
  void Add(const LedgerBoot& boot, int64_t heartbeat) {
    ASSERT_TRUE(boot.Beat(*database, heartbeat));
    ASSERT_TRUE(database->Query(
        "INSERT INTO usage VALUES ($1, 1, 0, 'req', 'k', 'k', 'p', 'm', 'e', 'default', 1, 0, 0,"
        " '', 9, 5, 0, 7, '', '')",
        {boot.id}));
  }
  int64_t StateOf(const LedgerBoot& boot) {
    return database->Query("SELECT state FROM usage WHERE boot = $1", {boot.id})->Int(0, 0);
  }
  std::unique_ptr<SqlConnection> database;
};
INSTANTIATE_TEST_SUITE_P(On, LedgerBootTest, testing::Values(Backend::kSqlite, Backend::kPostgres),
                         BackendName);

TEST_P(LedgerBootTest, OnTheSameHostThePidAndItsStartTimeTell) {
  const LedgerBoot self = LedgerBoot::OfThisProcess();
  LedgerBoot sibling = LedgerBoot::OfThisProcess();  // as alive as we are
  LedgerBoot reused = sibling;                       // its pid is ours now
  reused.id = 77;
  reused.pid_started -= 1;
  EXPECT_GT(sibling.pid_started, 0);
  Add(sibling, kNow - 1000);
  Add(reused, kNow);
  EXPECT_EQ(*RecoverDeadBoots(*database, self, kNow), 1);
  EXPECT_EQ(StateOf(sibling), 0);
  EXPECT_EQ(StateOf(reused), 2);
  EXPECT_EQ(*RecoverDeadBoots(*database, self, kNow), 0);  // once
}

TEST_P(LedgerBootTest, OnAnotherHostTheHeartbeatTells) {
  const LedgerBoot self = LedgerBoot::OfThisProcess();
  LedgerBoot quick = self, silent = self;
  quick.host = silent.host = "elsewhere";
  quick.id = 77;
  silent.id = 78;
  Add(quick, kNow - kHeartbeatLostS);
  Add(silent, kNow - kHeartbeatLostS - 1);
  EXPECT_EQ(*RecoverDeadBoots(*database, self, kNow), 1);
  EXPECT_EQ(StateOf(quick), 0);
  EXPECT_EQ(StateOf(silent), 2);
  // It was only cut off: it beats again, and dies once more later.
  ASSERT_TRUE(silent.Beat(*database, kNow + 5));
  EXPECT_EQ(*RecoverDeadBoots(*database, self, kNow + 5 + kHeartbeatLostS), 1);  // quick
  EXPECT_EQ(StateOf(quick), 2);
}

}  // namespace
}  // namespace infe::store

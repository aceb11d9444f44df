#include "store/sqlite.h"

#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

#include "store/test_databases.h"

namespace infe::store {
namespace {

constexpr const char* kPathVariable = "INFE_SQLITE_TEST_PATH";

// Another process opens the database, writes, and closes it: what `infe keys create` does beside a
// server. A new program, since SQLite's own memory of locks survives a fork.
void InsertInAnotherProcess(const std::string& path) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  setenv(kPathVariable, path.c_str(), 1);
  const std::string command =
      "'" + self + "' --gtest_brief=1 --gtest_filter=Sqlite.InsertsWhereItIsTold > /dev/null";
  EXPECT_EQ(std::system(command.c_str()), 0);
  unsetenv(kPathVariable);
}

// The other process; on its own it does nothing.
TEST(Sqlite, InsertsWhereItIsTold) {
  const char* path = std::getenv(kPathVariable);
  if (path == nullptr) return;
  auto database = OpenSqlite(path);
  ASSERT_TRUE(database);
  ASSERT_TRUE((*database)->Query("INSERT INTO t VALUES (1)"));
}

// The second connection of this process used to drop the locks of the first; the other process then
// deleted the WAL when it closed.
TEST(Sqlite, TwoConnectionsOfOneProcessAndAnotherProcessSeeEachOther) {
  const TemporaryDir folder;
  const std::string path = folder.path() + "/test.db";
  auto first = *OpenSqlite(path);
  ASSERT_TRUE(first->Script("CREATE TABLE t (x INTEGER)"));
  auto second = *OpenSqlite(path);
  const auto sum = [](SqlConnection& database) {
    return database.Query("SELECT coalesce(sum(x), 0) FROM t")->Int(0, 0);
  };
  EXPECT_EQ(sum(*first), 0);
  EXPECT_EQ(sum(*second), 0);
  for (int64_t round = 1; round <= 3; ++round) {
    InsertInAnotherProcess(path);
    EXPECT_TRUE(std::filesystem::exists(path + "-wal"));
    EXPECT_EQ(sum(*first), 2 * round - 1);
    EXPECT_EQ(sum(*second), 2 * round - 1);
    ASSERT_TRUE(second->Query("INSERT INTO t VALUES (1)"));
    EXPECT_EQ(sum(*first), 2 * round);
  }
  first.reset();
  second.reset();
  EXPECT_EQ(sum(**OpenSqlite(path)), 6);
}

TEST(Sqlite, TheFileIsOursAlone) {
  const TemporaryDir folder;
  const std::string path = folder.path() + "/test.db";
  auto database = *OpenSqlite(path);
  ASSERT_TRUE(database->Script("CREATE TABLE t (x INTEGER)"));
  for (const char* suffix : {"", "-wal"}) {
    const auto mode = std::filesystem::status(path + suffix).permissions();
    EXPECT_EQ(mode & std::filesystem::perms::all,
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write)
        << suffix;
  }
}

}  // namespace
}  // namespace infe::store

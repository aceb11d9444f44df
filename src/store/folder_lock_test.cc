#include "store/folder_lock.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/key_store.h"
#include "store/store.h"
#include "store/test_databases.h"

namespace infe::store {
namespace {

TEST(FolderLock, ASecondServerOnOneFolderIsRefusedAndToldByWhom) {
  const TemporaryDir folder;
  const DataDir dir = folder.data();
  auto first = Store::Open(dir, {});
  ASSERT_TRUE(first) << first.error().message;
  const auto second = Store::Open(dir, {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(second.error().message.find(std::to_string(getpid())), std::string::npos);
  EXPECT_NE(second.error().message.find("--store-url"), std::string::npos);
  // Commands work beside it.
  const auto keys = KeyStore::Open(dir);
  ASSERT_TRUE(keys);
  EXPECT_TRUE((*keys)->Create({.name = "k"}, KeyKind::kApi, "cli"));
  first->reset();
  EXPECT_TRUE(Store::Open(dir, {}));
}

TEST(FolderLock, AProcessThatIsKilledLetsGo) {
  const TemporaryDir folder;
  const DataDir dir = folder.data();
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto lock = FolderLock::Take(dir);
    (void)!write(ready[1], lock ? "y" : "n", 1);
    pause();
    _exit(0);
  }
  char got = 0;
  ASSERT_EQ(read(ready[0], &got, 1), 1);
  ASSERT_EQ(got, 'y');
  EXPECT_FALSE(FolderLock::Take(dir));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(FolderLock::Take(dir));
  close(ready[0]);
  close(ready[1]);
}

TEST(FolderLock, ServersOnOnePostgresMayHaveOneFolder) {
  std::string why_not;
  PostgresServer* server = PostgresServer::Shared(why_not);
  if (server == nullptr) GTEST_SKIP() << why_not;
  const TemporaryDir folder;
  StoreOptions options;
  options.url = server->NewDatabase();
  const auto first = Store::Open(folder.data(), options);
  ASSERT_TRUE(first) << first.error().message;
  const auto second = Store::Open(folder.data(), options);
  EXPECT_TRUE(second) << second.error().message;
}

}  // namespace
}  // namespace infe::store

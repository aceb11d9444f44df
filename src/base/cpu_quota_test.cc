#include "base/cpu_quota.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace infe {
namespace {

class CpuQuotaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/infe-quota-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path full = folder_ + path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text << "\n";
  }
  std::optional<double> Quota() const {
    return CpuQuota({.groups = folder_ + "/groups", .root = folder_ + "/fs"});
  }
  std::string folder_;
};

TEST_F(CpuQuotaTest, WithoutGroupsThereIsNone) {
  EXPECT_FALSE(Quota());
  Write("/groups", "0::/");
  Write("/fs/cpu.max", "max 100000");
  EXPECT_FALSE(Quota());
}

TEST_F(CpuQuotaTest, TheLeastOfAGroupAndThoseAboveItCounts) {
  Write("/groups", "0::/system.slice/infe.service/inner");
  Write("/fs/system.slice/infe.service/cpu.max", "765000 100000");
  Write("/fs/system.slice/infe.service/inner/cpu.max", "max 100000");
  EXPECT_EQ(Quota(), 7.65);
  Write("/fs/system.slice/cpu.max", "300000 100000");
  EXPECT_EQ(Quota(), 3.0);
  Write("/fs/system.slice/infe.service/inner/cpu.max", "50000 100000");
  EXPECT_EQ(Quota(), 0.5);
}

TEST_F(CpuQuotaTest, AGroupOfVersion1IsReadUnderItsControllersOrThePlainName) {
  Write("/groups", "3:memory:/other\n4:cpu,cpuacct:/docker/x");
  Write("/fs/memory/other/cpu.cfs_quota_us", "1");
  Write("/fs/cpu,cpuacct/docker/x/cpu.cfs_quota_us", "-1");
  Write("/fs/cpu,cpuacct/docker/x/cpu.cfs_period_us", "100000");
  EXPECT_FALSE(Quota());
  Write("/fs/cpu,cpuacct/docker/cpu.cfs_quota_us", "250000");
  Write("/fs/cpu,cpuacct/docker/cpu.cfs_period_us", "100000");
  EXPECT_EQ(Quota(), 2.5);
  Write("/fs/cpu/cpu.cfs_quota_us", "150000");  // the mount, as a container sees it
  Write("/fs/cpu/cpu.cfs_period_us", "100000");
  EXPECT_EQ(Quota(), 1.5);
}

TEST_F(CpuQuotaTest, SevenThreadsFitIntoSevenAndABitAndOneAlways) {
  EXPECT_EQ(ThreadsOf(7.65), 7u);
  EXPECT_EQ(ThreadsOf(8.0), 8u);
  EXPECT_EQ(ThreadsOf(0.5), 1u);
  EXPECT_GT(ThreadsOf(std::nullopt), 100000u);
}

TEST_F(CpuQuotaTest, NonsenseIsNoQuota) {
  Write("/groups", "0\nx:y\n0::/a");
  for (const char* text : {"", "x y", "100000", "0 100000", "100000 0", "-5 100000"}) {
    Write("/fs/a/cpu.max", text);
    EXPECT_FALSE(Quota()) << text;
  }
}

}  // namespace
}  // namespace infe

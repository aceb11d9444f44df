// The file of prefixes by itself, and how a KV cache reads from it. What engines make of it:
// core_prefix_file_test.cc.
#include "engine/prefix_file.h"

#include <filesystem>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include "engine/state_cache.h"
#include "engine/test_support.h"

namespace infe::engine {
namespace {

constexpr uint32_t kBlock = model::kBlockPositions;
const PrefixFileKind kKind{.identity = "a model", .block_bytes = 64, .vocabulary = 97};

std::string TestPath() {
  return testing::TempDir() + "infe-prefix-file-" + std::to_string(getpid()) + ".kv";
}

// A path of `blocks` blocks whose contents are their number.
void WritePath(const std::string& path, std::span<const TokenId> tokens, uint32_t blocks) {
  std::vector<std::array<std::byte, 64>> contents(blocks);
  PrefixFileWriter writer(kKind, 1 << 20);
  uint32_t parent = kNoEntry;
  for (uint32_t i = 0; i < blocks; ++i) {
    contents[i].fill(static_cast<std::byte>(i + 1));
    const auto added =
        writer.Add(parent, "s", tokens.subspan(size_t{i} * kBlock, kBlock), contents[i].data());
    ASSERT_TRUE(added.has_value());
    EXPECT_EQ(
        writer.Add(parent, "s", tokens.subspan(size_t{i} * kBlock, kBlock), contents[i].data()),
        added);  // once is enough
    parent = *added;
  }
  ASSERT_TRUE(writer.Write(path).has_value());
  EXPECT_LE(std::filesystem::file_size(path), writer.file_bytes());
}

TEST(PrefixFile, ReadsWhatWasWritten) {
  const auto tokens = RandomTokens(1, 10 * kBlock);
  WritePath(TestPath(), tokens, 10);
  auto file = PrefixFile::Open(TestPath(), kKind);
  ASSERT_TRUE(file.has_value()) << file.error().message;
  uint32_t entry = kNoEntry;
  for (uint32_t i = 0; i < 10; ++i) {
    const auto block = std::span<const TokenId>(tokens).subspan(size_t{i} * kBlock, kBlock);
    EXPECT_EQ((*file)->Find(entry, "t", block), kNoEntry);
    entry = (*file)->Find(entry, "s", block);
    ASSERT_NE(entry, kNoEntry);
    std::array<std::byte, 64> contents;
    ASSERT_TRUE((*file)->Read(entry, contents));
    EXPECT_EQ(contents[63], static_cast<std::byte>(i + 1));
  }
  std::filesystem::remove(TestPath());
}

TEST(PrefixFile, IsReadableByItsOwnerOnly) {
  WritePath(TestPath(), RandomTokens(1, kBlock), 1);
  EXPECT_EQ(std::filesystem::status(TestPath()).permissions() & std::filesystem::perms(0777),
            std::filesystem::perms(0600));
  std::filesystem::remove(TestPath());
}

TEST(PrefixFile, WhatACrashLeftIsOverwrittenAndAnotherWriterIsNot) {
  const auto tokens = RandomTokens(1, 2 * kBlock);
  const std::string unfinished = TestPath() + ".new";
  const int other = open(unfinished.c_str(), O_WRONLY | O_CREAT, 0600);
  ASSERT_EQ(write(other, std::string(100000, 'x').data(), 100000), 100000);
  ASSERT_EQ(flock(other, LOCK_EX), 0);
  std::array<std::byte, 64> contents{};
  PrefixFileWriter writer(kKind, 1 << 20);
  ASSERT_TRUE(writer.Add(kNoEntry, "s", std::span(tokens).first(kBlock), contents.data()));
  EXPECT_FALSE(writer.Write(TestPath()).has_value());
  EXPECT_EQ(std::filesystem::file_size(unfinished), 100000u);
  close(other);  // the other process died
  EXPECT_TRUE(writer.Write(TestPath()).has_value());
  EXPECT_FALSE(std::filesystem::exists(unfinished));
  EXPECT_TRUE(PrefixFile::Open(TestPath(), kKind).has_value());
  std::filesystem::remove(TestPath());
}

TEST(PrefixFile, TokensOutsideTheVocabularyAreRefused) {
  WritePath(TestPath(), RandomTokens(1, kBlock), 1);
  PrefixFileKind kind = kKind;
  kind.vocabulary = 20;
  EXPECT_FALSE(PrefixFile::Open(TestPath(), kind).has_value());
  std::filesystem::remove(TestPath());
}

// A long prefix does not hold up a step: it comes in portions, and nothing is computed meanwhile.
TEST(PrefixFile, IsReadInPortions) {
  const auto tokens = RandomTokens(1, 10 * kBlock + 1);
  WritePath(TestPath(), tokens, 10);
  const std::vector<model::StateGroup> groups = {
      {.layers = {0}, .window = 0, .layer_bytes = 64, .block_bytes = 64}};
  StatePlan plan;
  plan.blocks[0] = 12;
  StateCache cache(groups, plan, true);
  auto file = PrefixFile::Open(TestPath(), kKind);
  ASSERT_TRUE(file.has_value());
  cache.Recall(std::move(*file));
  HeldState kv;
  cache.AllowRecall(4 * 64);
  EXPECT_EQ(cache.Attach(kv, "s", tokens, 10 * kBlock), 4 * kBlock);
  EXPECT_TRUE(kv.recalling);
  EXPECT_EQ(cache.Attach(kv, "s", tokens, 10 * kBlock), 0u);
  cache.AllowRecall(1);  // at least one block
  EXPECT_EQ(cache.Attach(kv, "s", tokens, 10 * kBlock), kBlock);
  EXPECT_TRUE(kv.recalling);
  cache.AllowRecall(1000);
  EXPECT_EQ(cache.Attach(kv, "s", tokens, 10 * kBlock), 5 * kBlock);
  EXPECT_FALSE(kv.recalling);
  for (uint32_t i = 0; i < 10; ++i) {
    EXPECT_EQ(cache.view().arena[0][kv.blocks[0][i] * 64], static_cast<std::byte>(i + 1));
  }
  cache.Release(kv);
  // In memory now.
  cache.AllowRecall(0);
  EXPECT_EQ(cache.Attach(kv, "s", tokens, 10 * kBlock), 10 * kBlock);
  cache.Release(kv);
  std::filesystem::remove(TestPath());
}

}  // namespace
}  // namespace infe::engine

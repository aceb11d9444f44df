// The prefix cache over restarts: what a second engine takes up, what it refuses, and that no file,
// whatever its bytes, changes a text.
#include <cstring>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "engine/core.h"
#include "engine/test_support.h"

namespace infe::engine {
namespace {

class CorePrefixFile : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = testing::TempDir() + "infe-" + info->name() + "-" + std::to_string(getpid());
    options_.context_max = 2048;
    options_.speculation = false;
    options_.prefix_file = {.path = folder_ + "/sub/model.kv",
                            .bytes_max = uint64_t{1} << 20,
                            .model_digest = "digest",
                            .kv_type = "f16",
                            .isa = "fake"};
    options_.notice = [this](const std::string& line) { notices_ += line + "\n"; };
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // One request of one engine; the engine is left running.
  uint32_t Cached(Bench& bench, const std::vector<TokenId>& prompt, const std::string& salt = "s") {
    EngineRequest request = MakeRequest(prompt, 5, Sampled(3));
    request.cache_salt = salt;
    const auto sink = bench.Add(std::move(request));
    bench.RunAll();
    EXPECT_EQ(sink->tokens, SlowGenerate(bench.model, prompt, Sampled(3), 5).tokens);
    EXPECT_EQ(sink->last.timings.cached_tokens + sink->last.timings.prefill_tokens, prompt.size());
    ExpectEmpty(*bench.core);
    return sink->last.timings.cached_tokens;
  }
  // The same of an engine that starts from the file for it alone.
  uint32_t CachedAfterStart(const std::vector<TokenId>& prompt, const std::string& salt = "s") {
    Bench bench({}, options_);
    return Cached(bench, prompt, salt);
  }
  void Save(const std::vector<std::vector<TokenId>>& prompts, const std::string& salt = "s") {
    Bench bench({}, options_);
    for (const auto& prompt : prompts) Cached(bench, prompt, salt);
    bench.core->SavePrefixFile();
  }
  const std::string& path() const { return options_.prefix_file.path; }
  std::string Bytes() const {
    std::ifstream in(path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void SetBytes(const std::string& bytes) const {
    std::ofstream(path(), std::ios::binary | std::ios::trunc) << bytes;
  }

  std::string folder_;
  EngineOptions options_;
  std::string notices_;
};

constexpr uint32_t kBlock = model::kBlockPositions;
constexpr size_t kBlockBytes = 256;  // of the fake model

TEST_F(CorePrefixFile, SecondEngineTakesUpWholeBlocks) {
  for (const uint32_t size : {33u, 64u, 65u, 333u, 1500u}) {
    const auto prompt = RandomTokens(size, size);
    Save({prompt});
    EXPECT_EQ(CachedAfterStart(prompt), (size - 1) / kBlock * kBlock) << size;
    EXPECT_EQ(notices_.find("not used"), std::string::npos) << notices_;
  }
  EXPECT_FALSE(std::filesystem::exists(path() + ".new"));
}

TEST_F(CorePrefixFile, EngineSavesWhenItEnds) {
  const auto prompt = RandomTokens(1, 200);
  FakeModel model({});
  options_.kv_memory_bytes = size_t{1} << 20;
  for (const uint32_t cached : {0u, 192u}) {
    auto engine = Engine::Start(model, options_);
    ASSERT_TRUE(engine.has_value());
    EngineRequest request = MakeRequest(prompt, 5, Sampled(1));
    const auto sink = std::make_shared<RecordingSink>();
    request.id = 1;
    request.sink = sink;
    ASSERT_TRUE((*engine)->Submit(std::move(request)).has_value());
    sink->Wait();
    EXPECT_EQ(sink->last.timings.cached_tokens, cached);
    EXPECT_EQ(sink->tokens, SlowGenerate(model, prompt, Sampled(1), 5).tokens);
  }
  EXPECT_NE(notices_.find("prefix cache saved: 192 tokens"), std::string::npos) << notices_;
}

TEST_F(CorePrefixFile, SaltsStayApart) {
  const auto prompt = RandomTokens(1, 200);
  Save({prompt}, "a");
  Save({RandomTokens(2, 200)}, "b");
  EXPECT_EQ(CachedAfterStart(prompt, "b"), 0u);
  EXPECT_EQ(CachedAfterStart(prompt, ""), 0u);
  EXPECT_EQ(CachedAfterStart(prompt, "a"), 192u);
}

TEST_F(CorePrefixFile, WhatIsNotAskedForSurvivesTheNextSave) {
  const auto first = RandomTokens(1, 200);
  auto branch = first;
  branch.resize(100);
  const auto tail = RandomTokens(2, 100);
  branch.insert(branch.end(), tail.begin(), tail.end());
  Save({first, branch});
  for (int restart = 0; restart < 3; ++restart) Save({RandomTokens(10 + restart, 100)});
  Bench bench({}, options_);
  EXPECT_EQ(Cached(bench, branch), 192u);
  EXPECT_EQ(Cached(bench, first), 192u);
  EXPECT_EQ(Cached(bench, RandomTokens(10, 100)), 96u);
}

TEST_F(CorePrefixFile, EngineThatDidNothingLeavesTheFile) {
  Save({RandomTokens(1, 200)});
  const std::string before = Bytes();
  Bench bench({}, options_);
  bench.core->SavePrefixFile();
  EXPECT_EQ(Bytes(), before);
}

TEST_F(CorePrefixFile, FileOfAnotherKindIsIgnored) {
  const auto prompt = RandomTokens(1, 200);
  Save({prompt});
  const PrefixFileOptions own = options_.prefix_file;
  for (const auto& change : std::vector<std::function<void(PrefixFileOptions&)>>{
           [](auto& o) { o.model_digest = "other"; }, [](auto& o) { o.kv_type = "int8"; },
           [](auto& o) { o.isa = "avx2"; }}) {
    options_.prefix_file = own;
    change(options_.prefix_file);
    notices_.clear();
    EXPECT_EQ(CachedAfterStart(prompt), 0u);
    EXPECT_NE(notices_.find(path() + " is not used: it was written for"), std::string::npos);
    EXPECT_EQ(std::count(notices_.begin(), notices_.end(), '\n'), 1);
  }
  options_.prefix_file = own;
  EXPECT_EQ(CachedAfterStart(prompt), 192u);
  // Byte order and version stand behind the magic.
  for (const size_t offset : {0u, 8u, 12u}) {
    std::string bytes = Bytes();
    bytes[offset] = static_cast<char>(bytes[offset] + 1);
    const std::string good = Bytes();
    SetBytes(bytes);
    notices_.clear();
    EXPECT_EQ(CachedAfterStart(prompt), 0u);
    EXPECT_NE(notices_.find("is not used"), std::string::npos);
    SetBytes(good);
  }
}

// Right names and checksums, other contents: a model file that was replaced under its name.
TEST_F(CorePrefixFile, BlocksThatTheEngineDoesNotComputeAreRefused) {
  const auto prompt = RandomTokens(1, 100);
  Save({prompt});
  const std::string bytes = Bytes();
  uint32_t identity_bytes = 0;
  std::memcpy(&identity_bytes, bytes.data() + 32, sizeof identity_bytes);
  const PrefixFileKind kind{
      .identity = bytes.substr(80, identity_bytes), .block_bytes = kBlockBytes, .vocabulary = 97};
  for (const bool same : {true, false}) {
    std::string contents = bytes.substr(4096, kBlockBytes);
    if (!same) contents[0] = static_cast<char>(contents[0] ^ 1);
    PrefixFileWriter writer(kind, 1 << 20);
    ASSERT_TRUE(writer.Add(kNoEntry, "s", std::span(prompt).first(kBlock),
                           reinterpret_cast<const std::byte*>(contents.data())));
    ASSERT_TRUE(writer.Write(path()).has_value());
    notices_.clear();
    EXPECT_EQ(CachedAfterStart(prompt), same ? kBlock : 0u);
    EXPECT_EQ(notices_.find("computes others") == std::string::npos, same) << notices_;
  }
}

TEST_F(CorePrefixFile, DamagedBlockCostsItAndWhatFollows) {
  const auto prompt = RandomTokens(1, 200);
  auto branch = prompt;
  branch.resize(40);
  const auto tail = RandomTokens(2, 100);
  branch.insert(branch.end(), tail.begin(), tail.end());
  Save({branch, prompt});  // the blocks of `prompt` stand first
  std::string bytes = Bytes();
  bytes[4096 + 3 * kBlockBytes + 17] ^= 4;
  SetBytes(bytes);
  {
    Bench bench({}, options_);
    EXPECT_EQ(Cached(bench, prompt), 3 * kBlock);
    EXPECT_EQ(Cached(bench, branch), 4 * kBlock);
    bench.core->SavePrefixFile();
  }
  EXPECT_EQ(CachedAfterStart(prompt), 6 * kBlock);  // was computed and saved again
}

TEST_F(CorePrefixFile, FlippedBytesNeverChangeTheText) {
  const auto prompt = RandomTokens(1, 120);
  Save({prompt});
  const std::string good = Bytes();
  ASSERT_EQ(good.size(), 4096 + 3 * kBlockBytes);
  uint32_t hits = 0;
  for (size_t offset = 0; offset < good.size(); offset += offset < 800 ? 2 : 11) {
    std::string bytes = good;
    bytes[offset] = static_cast<char>(bytes[offset] ^ (1 << offset % 8));
    SetBytes(bytes);
    const uint32_t cached = CachedAfterStart(prompt);  // compares the text
    EXPECT_LE(cached, 96u);
    if (offset < 80 || offset >= 4096) {
      EXPECT_LT(cached, 96u) << offset;  // never unnoticed
    }
    hits += cached > 0 ? 1 : 0;
  }
  EXPECT_GT(hits, 50u);  // padding, and contents behind the first block
}

TEST_F(CorePrefixFile, TruncatedOrLongerFileIsIgnored) {
  const auto prompt = RandomTokens(1, 120);
  Save({prompt});
  const std::string good = Bytes();
  for (size_t size = 0; size < good.size(); size += size < 800 ? 13 : 191) {
    SetBytes(good.substr(0, size));
    EXPECT_EQ(CachedAfterStart(prompt), 0u) << size;
  }
  SetBytes(good + "x");
  EXPECT_EQ(CachedAfterStart(prompt), 0u);
  std::filesystem::remove(path());
  std::filesystem::create_directory(path());
  EXPECT_EQ(CachedAfterStart(prompt), 0u);
  notices_.clear();
  Save({prompt});  // cannot replace a folder, and says so
  EXPECT_NE(notices_.find("not saved"), std::string::npos) << notices_;
}

TEST_F(CorePrefixFile, BoundKeepsTheLatestUsed) {
  std::vector<std::vector<TokenId>> prompts;
  for (uint32_t i = 0; i < 10; ++i) prompts.push_back(RandomTokens(i, 320));
  for (const uint64_t bytes_max : {uint64_t{12000}, uint64_t{20000}, uint64_t{30000}}) {
    std::filesystem::remove(path());
    options_.prefix_file.bytes_max = bytes_max;
    {
      Bench bench({}, options_);
      for (const auto& prompt : prompts) Cached(bench, prompt);
      Cached(bench, prompts[4]);
      bench.core->SavePrefixFile();
    }
    EXPECT_LE(std::filesystem::file_size(path()), bytes_max);
    Bench bench({}, options_);
    std::vector<uint32_t> cached;
    for (const uint32_t i : {4u, 9u, 8u, 7u, 6u, 5u, 3u})
      cached.push_back(Cached(bench, prompts[i]));
    EXPECT_GT(cached[0], 256u);
    EXPECT_TRUE(std::is_sorted(cached.rbegin(), cached.rend()));  // later used, more of it
    EXPECT_EQ(cached.back(), 0u);
  }
}

TEST_F(CorePrefixFile, SmallEngineUsesALargeFileWithinItsPlan) {
  std::vector<std::vector<TokenId>> prompts;
  for (uint32_t i = 0; i < 10; ++i) prompts.push_back(RandomTokens(i, 600));
  Save(prompts);
  options_.context_max = 640;
  options_.kv_memory_bytes = 23 * kBlockBytes;
  Bench bench({}, options_);
  for (const auto& prompt : prompts) EXPECT_EQ(Cached(bench, prompt), 576u);
  EXPECT_LE(bench.core->stats().kv_blocks_remembered, 23u);
  // Many at once.
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (uint32_t i = 0; i < 10; ++i) {
    EngineRequest request = MakeRequest(prompts[i], 30, Sampled(i));
    request.cache_salt = "s";
    sinks.push_back(bench.Add(std::move(request)));
  }
  bench.RunAll();
  for (uint32_t i = 0; i < 10; ++i) {
    EXPECT_EQ(sinks[i]->tokens, SlowGenerate(bench.model, prompts[i], Sampled(i), 30).tokens);
  }
  ExpectEmpty(*bench.core);
}

TEST_F(CorePrefixFile, RandomBranchesOverRestartsKeepTheirText) {
  options_.context_max = 512;
  options_.kv_memory_bytes = 45 * kBlockBytes;
  options_.prefix_file.bytes_max = 30000;
  std::vector<std::vector<TokenId>> pool = {RandomTokens(1, 150)};
  uint64_t cached = 0;
  for (uint32_t run = 0; run < 12; ++run) {
    Bench bench({.batch_rows_max = 128}, options_);
    std::vector<std::vector<TokenId>> prompts;
    std::vector<std::shared_ptr<RecordingSink>> sinks;
    for (uint32_t i = run * 20; i < run * 20 + 20; ++i) {
      auto prompt = pool[static_cast<size_t>(UniformAt(1, 1, i) * pool.size())];
      prompt.resize(1 + static_cast<size_t>(UniformAt(1, 2, i) * prompt.size()));
      const auto tail = RandomTokens(1000 + i, 1 + static_cast<uint32_t>(UniformAt(1, 3, i) * 90));
      prompt.insert(prompt.end(), tail.begin(), tail.end());
      if (prompt.size() > 400) prompt.resize(400);
      pool.push_back(prompt);
      EngineRequest request = MakeRequest(prompt, 1 + i % 40, Sampled(i));
      request.cache_salt = i % 3 == 0 ? "a" : "b";
      prompts.push_back(std::move(prompt));
      sinks.push_back(bench.Add(std::move(request)));
      for (uint32_t s = 0; s < i % 5; ++s) bench.core->Step();
    }
    bench.RunAll();
    for (uint32_t i = 0; i < prompts.size(); ++i) {
      const uint32_t n = run * 20 + i;
      ASSERT_EQ(sinks[i]->tokens,
                SlowGenerate(bench.model, prompts[i], Sampled(n), 1 + n % 40).tokens);
    }
    ExpectEmpty(*bench.core);
    cached += bench.core->stats().cached_tokens;
    bench.core->SavePrefixFile();
    EXPECT_LE(std::filesystem::file_size(path()), 30000u);
  }
  EXPECT_GT(cached, 5000u);
  EXPECT_EQ(notices_.find("not"), std::string::npos) << notices_;
}

TEST_F(CorePrefixFile, WindowedModelsHaveNone) {
  Bench bench({.window = 64}, options_);
  EXPECT_NE(notices_.find("windowed"), std::string::npos);
  Cached(bench, RandomTokens(1, 200));
  bench.core->SavePrefixFile();
  EXPECT_FALSE(std::filesystem::exists(path()));
}

}  // namespace
}  // namespace infe::engine

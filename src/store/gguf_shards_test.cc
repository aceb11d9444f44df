// Claims about models in parts: joined they are what was cut, and nothing else passes.
#include "store/gguf_shards.h"

#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "store/gguf_head.h"
#include "store/test_databases.h"
#include "store/test_gguf.h"

namespace infe::store {
namespace {

class GgufShards : public ::testing::Test {
 protected:
  std::vector<std::string> Write(const std::vector<GgufSample>& parts) {
    std::vector<std::string> paths;
    for (size_t i = 0; i < parts.size(); ++i) {
      paths.push_back(fmt::format("{}/part{}", dir_.path(), i));
      WriteBytes(paths.back(), parts[i].File());
    }
    return paths;
  }
  std::string Target() const { return dir_.path() + "/joined"; }
  // The joined file, or what is said against it.
  std::string Joined(const std::vector<GgufSample>& parts) {
    const auto joined = JoinShards(Write(parts), Target(), {});
    return joined ? ReadBytes(Target()) : "error: " + joined.error().message;
  }
  static bool Names(const std::string& error, std::string_view what) {
    return error.starts_with("error: ") && error.find(what) != std::string::npos;
  }

 private:
  const TemporaryDir dir_;
};

TEST_F(GgufShards, JoinedTheyAreWhatWasCut) {
  const GgufSample whole = SmallSample();
  for (size_t each = 1; each <= 7; ++each) EXPECT_EQ(Joined(whole.Cut(each)), whole.File()) << each;
}

TEST_F(GgufShards, OtherAlignmentsAndTheOlderVersionAreKept) {
  GgufSample whole = SmallSample();
  whole.alignment = 256;
  whole.values.push_back(GgufNumberValue("general.alignment", 256));
  whole.version = 2;
  EXPECT_EQ(Joined(whole.Cut(3)), whole.File());
}

TEST_F(GgufShards, AFirstPartOfMetadataAloneIsOne) {
  const GgufSample whole = SmallSample();
  std::vector<GgufSample> parts = whole.Cut(4);
  GgufSample first = parts.front();
  first.tensors.clear();
  parts.front().values.clear();
  parts.insert(parts.begin(), first);
  for (GgufSample& part : parts)
    part.values.erase(std::remove_if(part.values.begin(), part.values.end(),
                                     [](const std::string& v) { return v.find("split.") == 8; }),
                      part.values.end());
  EXPECT_EQ(Joined(parts), whole.File());
}

TEST_F(GgufShards, AMissingOrMisplacedPartIsNamed) {
  const std::vector<GgufSample> parts = SmallSample().Cut(3);
  EXPECT_TRUE(Names(Joined({parts[0], parts[1]}), "part 1 of 3"));
  EXPECT_TRUE(Names(Joined({parts[0], parts[2], parts[1]}), "part 3 of 3"));
  EXPECT_TRUE(Names(Joined({parts[0], parts[1], parts[1]}), "part 2 of 3"));
  EXPECT_TRUE(Names(Joined({}), "no parts"));
}

TEST_F(GgufShards, PartsThatHoldOtherTensorsThanSaidAreNoModel) {
  std::vector<GgufSample> parts = SmallSample().Cut(3);
  parts[2].tensors.push_back({"more", "data"});
  EXPECT_TRUE(Names(Joined(parts), "has 7 tensors, and the parts hold 8"));
}

TEST_F(GgufShards, PartsOfAnotherAlignmentAreNoModel) {
  std::vector<GgufSample> parts = SmallSample().Cut(3);
  parts[1].alignment = 64;
  parts[1].values.push_back(GgufNumberValue("general.alignment", 64));
  EXPECT_TRUE(Names(Joined(parts), "aligned otherwise"));
  for (const uint32_t wrong : {0u, 3u, 1u << 30}) {
    parts[1].values.back() = GgufNumberValue("general.alignment", wrong);
    EXPECT_TRUE(Names(Joined(parts), fmt::format("general.alignment is {}", wrong))) << wrong;
  }
}

TEST_F(GgufShards, APartThatEndsInItsHeadIsAnError) {
  const std::vector<std::string> paths = Write(SmallSample().Cut(4));
  const std::string second = ReadBytes(paths[1]);
  // Its head: everything before the data of the first tensor.
  const size_t head = second.find("eeee") / 32 * 32;
  for (size_t length = 0; length + 32 < head; ++length) {
    WriteBytes(paths[1], second.substr(0, length));
    const auto joined = JoinShards(paths, Target(), {});
    ASSERT_FALSE(joined) << length;
    EXPECT_EQ(joined.error().code, ErrorCode::kCorrupt);
    EXPECT_NE(joined.error().message.find(paths[1]), std::string::npos);
  }
}

TEST_F(GgufShards, JoiningEndsWhenItIsCancelled) {
  JoinOptions options;
  options.cancelled = [] { return true; };
  EXPECT_EQ(JoinShards(Write(SmallSample().Cut(3)), Target(), options).error().code,
            ErrorCode::kCancelled);
}

TEST(ArchitectureIn, IsReadFromTheBeginning) {
  const std::string file = SmallSample("qwen3").File();
  EXPECT_EQ(*ArchitectureIn(file), "qwen3");
  EXPECT_EQ(*ArchitectureIn(file.substr(0, 80)), "qwen3");
  // Not told in what is here is no error.
  EXPECT_EQ(*ArchitectureIn(file.substr(0, 40)), "");
  EXPECT_EQ(*ArchitectureIn(file.substr(0, 60)), "");
}

TEST(ArchitectureIn, WhatIsNoGgufOrHasNoNameIsAnError) {
  for (const char* wrong : {"", "GGU", "<!DOCTYPE html>", "PK\x03\x04"})
    EXPECT_EQ(ArchitectureIn(wrong).error().code, ErrorCode::kCorrupt) << wrong;
  std::string old = SmallSample().File();
  old[4] = 1;
  EXPECT_FALSE(ArchitectureIn(old));
  // It is shown on terminals.
  EXPECT_FALSE(ArchitectureIn(SmallSample("lla\x1b[31mma").File()));
  EXPECT_FALSE(ArchitectureIn(SmallSample(std::string(65, 'x')).File()));
}

}  // namespace
}  // namespace infe::store

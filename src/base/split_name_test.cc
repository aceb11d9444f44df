#include "base/split_name.h"

#include <gtest/gtest.h>

namespace infe {
namespace {

TEST(SplitName, TheFirstPartNamesAll) {
  EXPECT_EQ(PartPaths("/m/big-00001-of-00003.gguf"),
            (std::vector<std::string>{"/m/big-00001-of-00003.gguf", "/m/big-00002-of-00003.gguf",
                                      "/m/big-00003-of-00003.gguf"}));
  EXPECT_EQ(ModelNameOf("/m/big-q4_k-00001-of-00003.gguf"), "big-q4_k");
  EXPECT_EQ(ModelNameOf("big.v1.gguf"), "big.v1");
  EXPECT_EQ(ModelNameOf("big-00001-of-00001.gguf"), "big-00001-of-00001");
  EXPECT_EQ(ParseSplitName("big-00001-of-00001.gguf")->whole, "big");
}

TEST(SplitName, AnythingElseNamesItself) {
  for (const char* path :
       {"/m/big.gguf", "/m/big-00002-of-00003.gguf", "/m/big-00001-of-00001.gguf",
        "/m/big-00000-of-00003.gguf", "/m/big-1-of-3.gguf", "/m/big-00001-of-00003.bin",
        "/m/-00001-of-00003.gguf", "00001-of-00003.gguf", "/m/big-00001-of-99999.gguf",
        "/m/big-0001a-of-00003.gguf", "/m/big-+0001-of-00003.gguf", ""})
    EXPECT_EQ(PartPaths(path), std::vector<std::string>{path}) << path;
}

}  // namespace
}  // namespace infe

// The reader of model files does not call itself (tools/recursion): arrays of arrays, the one thing
// in the format that nests, are refused where they begin. This holds the small stack against it.
#include <string>

#include <gtest/gtest.h>

#include "base/small_stack.h"
#include "model/gguf.h"
#include "model/gguf_builder.h"

namespace infe::model {
namespace {

// depth arrays of one element inside each other.
std::string NestedArrays(size_t depth) {
  std::string payload;
  for (size_t i = 0; i < depth; ++i) {
    payload += GgufBuilder::Number(static_cast<uint32_t>(GgufValueType::kArray)) +
               GgufBuilder::Number(uint64_t{1});
  }
  return payload + GgufBuilder::Number(static_cast<uint32_t>(GgufValueType::kUint8)) +
         GgufBuilder::Number(uint64_t{0});
}

TEST(GgufRecursionTest, NestedArraysAreRefusedOnASmallStack) {
  RunOnSmallStack([] {
    for (const size_t depth : {1, 2, 1000, 1'000'000}) {
      GgufBuilder builder;
      builder.String("general.architecture", "llama")
          .Entry("a.deep", GgufValueType::kArray, NestedArrays(depth));
      const std::string text = builder.Bytes();
      const auto file = GgufFile::Parse(std::as_bytes(std::span(text)));
      ASSERT_FALSE(file) << depth;
      EXPECT_NE(file.error().message.find("array of arrays"), std::string::npos)
          << file.error().message;
    }
  });
}

}  // namespace
}  // namespace infe::model

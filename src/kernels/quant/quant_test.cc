// The reference dequantisation against the gguf Python package (tests/golden/quants), and the block
// formats' integers out and back.
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/source_dir.h"
#include "kernels/half.h"
#include "kernels/quant/block_fields.h"
#include "kernels/quant_type.h"

namespace infe::kernels {
namespace {

std::vector<char> ReadGolden(std::string_view type, const char* suffix) {
  const std::string path =
      std::string(kSourceDir) + "/tests/golden/quants/" + std::string(type) + suffix;
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class EveryType : public testing::TestWithParam<QuantTypeTraits> {};

TEST_P(EveryType, DequantisesLikeTheGgufPackageBitForBit) {
  const QuantTypeTraits& traits = GetParam();
  if (!IsAvailable(traits.type)) GTEST_SKIP() << "built without codebooks";
  const std::vector<char> blocks = ReadGolden(traits.name, ".blocks");
  const std::vector<char> expected = ReadGolden(traits.name, ".f32");
  ASSERT_EQ(expected.size(), 512 * sizeof(float));
  ASSERT_EQ(blocks.size(), RowBytes(traits.type, 512));
  std::vector<float> out(512);
  traits.dequantise(reinterpret_cast<const std::byte*>(blocks.data()), out.data(), 512);
  EXPECT_EQ(std::memcmp(out.data(), expected.data(), expected.size()), 0);
}

TEST_P(EveryType, EncodesWhatItDecoded) {
  const QuantTypeTraits& traits = GetParam();
  if (IsFloat(traits.type)) GTEST_SKIP() << "no blocks";
  const std::vector<char> blocks = ReadGolden(traits.name, ".blocks");
  for (size_t at = 0; at < blocks.size(); at += traits.block_bytes) {
    const auto* block = reinterpret_cast<const std::byte*>(blocks.data() + at);
    BlockFields fields;
    traits.decode(block, fields);
    std::vector<std::byte> again(traits.block_bytes);
    traits.encode(fields, again.data());
    ASSERT_EQ(std::memcmp(again.data(), block, traits.block_bytes), 0) << "block at byte " << at;
  }
}

TEST_P(EveryType, IsFoundByItsGgufNumber) {
  EXPECT_EQ(QuantTypeFromGguf(GetParam().gguf_id), GetParam().type);
  EXPECT_EQ(&Traits(GetParam().type), &Traits(*QuantTypeFromGguf(GetParam().gguf_id)));
}

INSTANTIATE_TEST_SUITE_P(Registry, EveryType,
                         testing::ValuesIn(AllQuantTypes().begin(), AllQuantTypes().end()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(QuantTypes, UnknownGgufNumbersAreRefused) {
  EXPECT_FALSE(QuantTypeFromGguf(4).has_value());
  EXPECT_FALSE(QuantTypeFromGguf(4'000'000'000u).has_value());
}

TEST(Half, EveryF16GoesToF32AndBack) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = F16ToF32(static_cast<uint16_t>(bits));
    if (std::isnan(value)) continue;
    ASSERT_EQ(F32ToF16(value), bits);
  }
}

TEST(Half, RoundsToNearestEven) {
  EXPECT_EQ(F32ToF16(1.0f + 0x1p-11f), 0x3c00);      // tie, to even: down
  EXPECT_EQ(F32ToF16(1.0f + 3 * 0x1p-11f), 0x3c02);  // tie, to even: up
  EXPECT_EQ(F32ToF16(1.0f + 0x1p-11f + 0x1p-20f), 0x3c01);
  EXPECT_EQ(F32ToF16(65519.0f), 0x7bff);
  EXPECT_EQ(F32ToF16(65520.0f), 0x7c00);
  EXPECT_EQ(F32ToF16(0x1p-25f), 0x0000);  // tie with zero
  EXPECT_EQ(F32ToF16(0x1.8p-25f), 0x0001);
  EXPECT_TRUE(std::isnan(F16ToF32(F32ToF16(NAN))));
}

}  // namespace
}  // namespace infe::kernels

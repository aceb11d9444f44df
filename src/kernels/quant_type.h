// The tensor types that infe computes with: GGUF's numbers, block sizes and the reference
// dequantisation of each. One registry (quant/registry.cc), one file per type under quant/.
// Formats: the GGUF specification and the block layouts of ggml.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace infe::kernels {

enum class QuantType : uint8_t {
  kF32,
  kF16,
  kBF16,
  kQ8_0,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kMxfp4,
  kIq4Nl,
  kIq4Xs,
  kQ3_K,
  kQ2_K,
  kIq3S,
  kIq3Xxs,
  kIq2S,
  kIq2Xs,
  kIq2Xxs,
  kTQ2_0,
  kTQ1_0,
  kQ1_0,
  kQ2_0,
  kNvfp4,
};

struct BlockFields;  // quant/block_fields.h

struct QuantTypeTraits {
  QuantType type;
  std::string_view name;  // as GGUF tools print it: "Q4_K"
  uint32_t gguf_id;       // ggml_type in the file
  uint32_t block_values;  // values in a block; a row's length is a multiple of it
  uint32_t block_bytes;
  // The reference: blocks -> f32, `values` a multiple of block_values. Equal bit for bit to the
  // gguf Python package.
  void (*dequantise)(const std::byte* blocks, float* out, size_t values);
  // One block to its integers and scales, and back without loss; null for F32, F16 and BF16.
  void (*decode)(const std::byte* block, BlockFields& fields);
  void (*encode)(const BlockFields& fields, std::byte* block);
  // Bound of a kernel's error: a product of K values is within
  //   (roundings_per_32 * K / 32 + 4) * 2^-24 * (sum of the magnitudes of all its terms)
  // of the exact product of the dequantised weights and activations. Derived in the type's header.
  uint32_t roundings_per_32;
};

std::span<const QuantTypeTraits> AllQuantTypes();
const QuantTypeTraits& Traits(QuantType type);
std::optional<QuantType> QuantTypeFromGguf(uint32_t gguf_id);
// False for the types with a codebook in a build that could not have any (quant/codebooks.h).
bool IsAvailable(QuantType type);
// Bytes of a row of `values` values (a multiple of the block).
size_t RowBytes(QuantType type, size_t values);
inline bool IsFloat(QuantType type) {
  return type <= QuantType::kBF16;
}

}  // namespace infe::kernels

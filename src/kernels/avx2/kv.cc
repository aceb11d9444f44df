// Writing keys and values into their tiles.
#include "kernels/avx2/attention.h"
#include "kernels/avx2/vec.h"
#include "kernels/vec/quantise_head-inl.h"

namespace infe::kernels::avx2 {
namespace {

constexpr uint32_t kInt8Header = 2 * kKvTilePositions * sizeof(float);

inline __m128i ToHalf(const float* x) {
  return _mm256_cvtps_ph(_mm256_loadu_ps(x), _MM_FROUND_TO_NEAREST_INT);
}

void WriteF16(uint16_t* tile, uint32_t slot, const float* k, const float* v, uint32_t head_dim) {
  uint16_t* keys = tile + slot;
  uint16_t* values = tile + (size_t{kKvTilePositions} + slot) * head_dim;
  for (uint32_t i = 0; i < head_dim; i += 8) {
    alignas(16) uint16_t halves[8];
    _mm_store_si128(reinterpret_cast<__m128i*>(halves), ToHalf(k + i));
    for (uint32_t j = 0; j < 8; ++j) keys[(i + j) * kKvTilePositions] = halves[j];
    _mm_storeu_si128(reinterpret_cast<__m128i*>(values + i), ToHalf(v + i));
  }
}

void WriteInt8(std::byte* tile, uint32_t slot, const float* k, const float* v, uint32_t head_dim) {
  auto* scales = reinterpret_cast<float*>(tile);
  auto* keys = reinterpret_cast<int8_t*>(tile + kInt8Header);
  int8_t* values = keys + (size_t{kKvTilePositions} + slot) * head_dim;
  // The value's row serves as room for the key's integers first.
  scales[slot] = vec::QuantiseHead<Vec>(k, head_dim, values);
  for (uint32_t i = 0; i < head_dim; i += 4)
    __builtin_memcpy(keys + (size_t{i} / 4 * kKvTilePositions + slot) * 4, values + i, 4);
  scales[kKvTilePositions + slot] = vec::QuantiseHead<Vec>(v, head_dim, values);
}

}  // namespace

size_t KvTileBytes(KvType type, uint32_t head_dim) {
  const size_t elements = 2 * size_t{kKvTilePositions} * head_dim;
  return type == KvType::kF16 ? 2 * elements : kInt8Header + elements;
}

void KvWrite(KvType type, std::byte* tile, uint32_t slot, const float* k, const float* v,
             uint32_t head_dim) {
  if (type == KvType::kF16)
    WriteF16(reinterpret_cast<uint16_t*>(tile), slot, k, v, head_dim);
  else
    WriteInt8(tile, slot, k, v, head_dim);
}

}  // namespace infe::kernels::avx2

// The products of a tile in AVX-512; see vec/attention-inl.h for what they are parts of. A tile's
// 32 positions are two vectors. Queries lie by dimension, so that the values for all rows of a
// register tile are one short range of memory.
#include "kernels/avx512/attention.h"

// g++ 12 takes the deliberately undefined operands of its own AVX-512 intrinsics for mistakes.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include "kernels/avx512/vec.h"
#include "kernels/vec/attention-inl.h"

namespace infe::kernels::INFE_AVX512_NAMESPACE {
namespace {

using vec::kInt8Header;
using vec::kTile;
using vec::QueryRows;

// Query rows in one register tile: 24 sums, 2 keys or values and 1 factor.
constexpr uint32_t kRowsMaxOfTile = 12;
// Up to how many rows four vectors of values are taken at a time.
constexpr int kFewRows = 6;

inline __m512 Half16(const uint16_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}

// scores[row][32] for `rows` rows from row `first`.
template <int rows>
void ScoresF16(const QueryRows& in, const uint16_t* keys, const char* ahead, uint32_t first) {
  __m512 acc[rows][2];
#pragma GCC unroll 12
  for (int r = 0; r < rows; ++r) acc[r][0] = acc[r][1] = _mm512_setzero_ps();
  const float* q = in.q + first;
  for (uint32_t d = 0; d < in.head_dim; ++d, keys += kTile, q += in.count) {
    _mm_prefetch(ahead + size_t{d} * kTile * sizeof(uint16_t), _MM_HINT_T1);
    const __m512 low = Half16(keys);
    const __m512 high = Half16(keys + 16);
#pragma GCC unroll 12
    for (int r = 0; r < rows; ++r) {
      const __m512 x = _mm512_set1_ps(q[r]);
      acc[r][0] = _mm512_fmadd_ps(x, low, acc[r][0]);
      acc[r][1] = _mm512_fmadd_ps(x, high, acc[r][1]);
    }
  }
  float* out = in.weights + first * kTile;
#pragma GCC unroll 12
  for (int r = 0; r < rows; ++r) {
    _mm512_storeu_ps(out + r * kTile, acc[r][0]);
    _mm512_storeu_ps(out + r * kTile + 16, acc[r][1]);
  }
}

// Exact integer products: queries are kept as unsigned bytes, 128 too large, which one more sum
// over the keys takes back. Then the scales.
template <int rows>
void ScoresInt8(const QueryRows& in, const std::byte* tile, const char* ahead, uint32_t first) {
  const auto* key_scales = reinterpret_cast<const float*>(tile);
  const auto* keys = reinterpret_cast<const int8_t*>(tile + kInt8Header);
  const __m512i excess = _mm512_set1_epi8(static_cast<char>(128));
#pragma GCC unroll 1
  for (uint32_t half = 0; half < 2; ++half) {
    __m512i acc[rows];
    __m512i key_sum = _mm512_setzero_si512();
#pragma GCC unroll 12
    for (int r = 0; r < rows; ++r) acc[r] = _mm512_setzero_si512();
    const float* q = in.q + first;
    for (uint32_t d = 0; d < in.head_dim / 4; ++d, q += in.count) {
      const size_t at = (size_t{d} * kTile + 16 * half) * 4;
      _mm_prefetch(ahead + at, _MM_HINT_T1);
      const __m512i key = _mm512_loadu_si512(keys + at);
      key_sum = _mm512_dpbusd_epi32(key_sum, excess, key);
#pragma GCC unroll 12
      for (int r = 0; r < rows; ++r) {
        int32_t four;
        __builtin_memcpy(&four, q + r, 4);
        acc[r] = _mm512_dpbusd_epi32(acc[r], _mm512_set1_epi32(four), key);
      }
    }
    const __m512 scale = _mm512_loadu_ps(key_scales + 16 * half);
#pragma GCC unroll 12
    for (int r = 0; r < rows; ++r) {
      const __m512 both = _mm512_mul_ps(scale, _mm512_set1_ps(in.q_scales[first + r]));
      const __m512 dot = _mm512_cvtepi32_ps(_mm512_sub_epi32(acc[r], key_sum));
      _mm512_storeu_ps(in.weights + (first + r) * kTile + 16 * half, _mm512_mul_ps(dot, both));
    }
  }
}

struct F16Values {
  static constexpr size_t kBytes = 2;
  const uint16_t* at;  // [32][head_dim]
  inline __m512 Load16(size_t i) const { return Half16(at + i); }
};
struct Int8Values {
  static constexpr size_t kBytes = 1;
  const int8_t* at;  // [32][head_dim]; their scales are in the weights already
  inline __m512 Load16(size_t i) const {
    return _mm512_cvtepi32_ps(
        _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at + i))));
  }
};

// acc = acc * correction + weights . values for `rows` rows and 16 * vectors dimensions from d on.
// Positions from `count` on are in nobody's sight and may hold anything: they are not read.
template <class Values, int rows, int vectors>
void AddValuesPart(const QueryRows& in, Values values, const char* ahead, uint32_t first,
                   uint32_t count, uint32_t d) {
  for (uint32_t line = 0; line < 16 * vectors * kTile * Values::kBytes; line += 64)
    _mm_prefetch(ahead + size_t{d} * kTile * Values::kBytes + line, _MM_HINT_T1);
  __m512 acc[rows][vectors];
  float* out = in.acc + first * in.acc_stride + d;
#pragma GCC unroll 12
  for (int r = 0; r < rows; ++r) {
    const __m512 correction = _mm512_set1_ps(in.correction[first + r]);
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v)
      acc[r][v] = _mm512_mul_ps(_mm512_loadu_ps(out + r * in.acc_stride + 16 * v), correction);
  }
  const float* weights = in.weights + first * kTile;
  for (uint32_t p = 0; p < count; ++p) {
    __m512 y[vectors];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) y[v] = values.Load16(size_t{p} * in.head_dim + d + 16 * v);
#pragma GCC unroll 12
    for (int r = 0; r < rows; ++r) {
      const __m512 w = _mm512_set1_ps(weights[r * kTile + p]);
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) acc[r][v] = _mm512_fmadd_ps(w, y[v], acc[r][v]);
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) _mm512_storeu_ps(out + r * in.acc_stride + 16 * v, acc[r][v]);
}

template <class Values, int rows>
inline void AddValuesRows(const QueryRows& in, Values values, const char* ahead, uint32_t first,
                          uint32_t count) {
  uint32_t d = 0;
  if constexpr (rows <= kFewRows) {
    for (; d + 64 <= in.head_dim; d += 64)
      AddValuesPart<Values, rows, 4>(in, values, ahead, first, count, d);
  }
  for (; d + 32 <= in.head_dim; d += 32)
    AddValuesPart<Values, rows, 2>(in, values, ahead, first, count, d);
  if (d < in.head_dim) AddValuesPart<Values, rows, 1>(in, values, ahead, first, count, d);
}

struct F16Tile {
  using V = Vec;
  static constexpr uint32_t kRowsMax = kRowsMaxOfTile;
  template <int rows>
  static inline void Scores(const QueryRows& in, const std::byte* tile, const std::byte* next,
                            uint32_t first) {
    ScoresF16<rows>(in, reinterpret_cast<const uint16_t*>(tile),
                    reinterpret_cast<const char*>(next), first);
  }
  template <int rows>
  static inline void AddValues(const QueryRows& in, const std::byte* tile, const std::byte* next,
                               uint32_t first, uint32_t count) {
    const auto* halves = reinterpret_cast<const uint16_t*>(tile);
    const size_t values = size_t{kTile} * in.head_dim;
    AddValuesRows<F16Values, rows>(in, {halves + values},
                                   reinterpret_cast<const char*>(next) + 2 * values, first, count);
  }
  static inline const float* ValueScales(const std::byte*) { return nullptr; }
  static inline void PrepareQuery(const QueryRows& in, uint32_t row, const float* q, float scale) {
    for (uint32_t d = 0; d < in.head_dim; ++d) in.q[size_t{d} * in.count + row] = q[d] * scale;
  }
};

struct Int8Tile {
  using V = Vec;
  static constexpr uint32_t kRowsMax = kRowsMaxOfTile;
  template <int rows>
  static inline void Scores(const QueryRows& in, const std::byte* tile, const std::byte* next,
                            uint32_t first) {
    ScoresInt8<rows>(in, tile, reinterpret_cast<const char*>(next) + kInt8Header, first);
  }
  template <int rows>
  static inline void AddValues(const QueryRows& in, const std::byte* tile, const std::byte* next,
                               uint32_t first, uint32_t count) {
    const auto* bytes = reinterpret_cast<const int8_t*>(tile + kInt8Header);
    const size_t values = size_t{kTile} * in.head_dim;
    AddValuesRows<Int8Values, rows>(in, {bytes + values},
                                    reinterpret_cast<const char*>(next) + kInt8Header + values,
                                    first, count);
  }
  static inline const float* ValueScales(const std::byte* tile) {
    return reinterpret_cast<const float*>(tile) + kTile;
  }
  static inline void PrepareQuery(const QueryRows& in, uint32_t row, const float* q, float scale) {
    alignas(64) int8_t bytes[vec::kHeadDimMax];
    in.q_scales[row] = vec::QuantiseHead<Vec>(q, in.head_dim, bytes) * scale;
    for (uint32_t d = 0; d < in.head_dim; d += 4) {
      uint32_t four;
      __builtin_memcpy(&four, bytes + d, 4);
      four ^= 0x80808080u;
      __builtin_memcpy(in.q + size_t{d} / 4 * in.count + row, &four, 4);
    }
  }
};

}  // namespace

void Attention(KvType type, const AttentionArgs& args) {
  if (type == KvType::kF16)
    vec::AttentionAll<F16Tile>(args);
  else
    vec::AttentionAll<Int8Tile>(args);
}

void AttentionSpan(KvType type, const AttentionArgs& args, uint32_t span, float* partial) {
  if (type == KvType::kF16)
    vec::AttentionOneSpan<F16Tile>(args, span, partial);
  else
    vec::AttentionOneSpan<Int8Tile>(args, span, partial);
}

}  // namespace infe::kernels::INFE_AVX512_NAMESPACE

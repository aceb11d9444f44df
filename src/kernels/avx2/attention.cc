// The products of a tile in AVX2; see vec/attention-inl.h for what they are parts of.
#include "kernels/avx2/attention.h"

#include "kernels/avx2/vec.h"
#include "kernels/vec/attention-inl.h"

namespace infe::kernels::avx2 {
namespace {

using vec::kInt8Header;
using vec::kTile;
using vec::QueryRows;

// Query rows in one register tile.
constexpr uint32_t kRowsMax = 6;

inline __m256 Half8(const uint16_t* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

// acc[r][v] += row(r) * column(v). The longer side is loaded one at a time: 12 sums and the shorter
// side fill the registers.
template <int rows, int vectors, class Row, class Column>
inline void OuterProduct(__m256 (&acc)[rows][vectors], Row row, Column column) {
  if constexpr (vectors > rows) {
    __m256 x[rows];
#pragma GCC unroll 6
    for (int r = 0; r < rows; ++r) x[r] = row(r);
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) {
      const __m256 y = column(v);
#pragma GCC unroll 6
      for (int r = 0; r < rows; ++r) acc[r][v] = _mm256_fmadd_ps(x[r], y, acc[r][v]);
    }
  } else {
    __m256 y[vectors];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) y[v] = column(v);
#pragma GCC unroll 6
    for (int r = 0; r < rows; ++r) {
      const __m256 x = row(r);
#pragma GCC unroll 8
      for (int v = 0; v < vectors; ++v) acc[r][v] = _mm256_fmadd_ps(x, y[v], acc[r][v]);
    }
  }
}

// scores[row][8 * vectors] for `rows` rows from row `first`, positions from 8 * vector0 of the
// tile.
template <int rows, int vectors>
void ScoresF16(const QueryRows& in, const uint16_t* keys, const char* ahead, uint32_t first,
               uint32_t vector0) {
  __m256 acc[rows][vectors];
#pragma GCC unroll 6
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) acc[r][v] = _mm256_setzero_ps();
  const float* q = in.q + size_t{first} * in.head_dim;
  const uint16_t* k = keys + 8 * vector0;
  for (uint32_t d = 0; d < in.head_dim; ++d, k += kTile) {
    _mm_prefetch(ahead + size_t{d} * kTile * sizeof(uint16_t), _MM_HINT_T0);
    OuterProduct<rows, vectors>(
        acc, [&](int r) { return _mm256_broadcast_ss(q + r * size_t{in.head_dim} + d); },
        [&](int v) { return Half8(k + 8 * v); });
  }
#pragma GCC unroll 6
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v)
      _mm256_store_ps(in.weights + (first + r) * kTile + 8 * (vector0 + v), acc[r][v]);
}

template <int rows>
inline void ScoresF16Rows(const QueryRows& in, const uint16_t* keys, const char* ahead,
                          uint32_t first) {
  if constexpr (rows <= 3) {
    ScoresF16<rows, 4>(in, keys, ahead, first, 0);
  } else {
    ScoresF16<rows, 2>(in, keys, ahead, first, 0);
    ScoresF16<rows, 2>(in, keys, ahead, first, 2);
  }
}

// Exact integer products of s8 keys and s8 queries (gemv.h, AddSignedStep), then the scales.
template <int rows>
inline void ScoresInt8Rows(const QueryRows& in, const std::byte* tile, const char* ahead,
                           uint32_t first) {
  const auto* key_scales = reinterpret_cast<const float*>(tile);
  const auto* keys = reinterpret_cast<const int8_t*>(tile + kInt8Header);
  const __m256i ones = _mm256_set1_epi16(1);
  for (uint32_t v = 0; v < 4; ++v) {
    __m256i acc[rows];
#pragma GCC unroll 6
    for (int r = 0; r < rows; ++r) acc[r] = _mm256_setzero_si256();
    for (uint32_t d = 0; d < in.head_dim / 4; ++d) {
      _mm_prefetch(ahead + (size_t{d} * 4 + v) * kTile, _MM_HINT_T0);
      const __m256i key = _mm256_loadu_si256(
          reinterpret_cast<const __m256i*>(keys + (size_t{d} * kTile + 8 * v) * 4));
      const __m256i magnitude = _mm256_abs_epi8(key);
#pragma GCC unroll 6
      for (int r = 0; r < rows; ++r) {
        int32_t four;
        __builtin_memcpy(&four, in.q + (first + r) * size_t{in.head_dim} + d, 4);
        const __m256i pairs =
            _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(_mm256_set1_epi32(four), key));
        acc[r] = _mm256_add_epi32(acc[r], _mm256_madd_epi16(pairs, ones));
      }
    }
    const __m256 scale = _mm256_loadu_ps(key_scales + 8 * v);
#pragma GCC unroll 6
    for (int r = 0; r < rows; ++r) {
      const __m256 both = _mm256_mul_ps(scale, _mm256_set1_ps(in.q_scales[first + r]));
      _mm256_store_ps(in.weights + (first + r) * kTile + 8 * v,
                      _mm256_mul_ps(_mm256_cvtepi32_ps(acc[r]), both));
    }
  }
}

struct F16Values {
  static constexpr size_t kBytes = 2;
  const uint16_t* at;  // [32][head_dim]
  inline __m256 Load8(size_t i) const { return Half8(at + i); }
};
struct Int8Values {
  static constexpr size_t kBytes = 1;
  const int8_t* at;  // [32][head_dim]; their scales are in the weights already
  inline __m256 Load8(size_t i) const {
    return _mm256_cvtepi32_ps(
        _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(at + i))));
  }
};

// acc = acc * correction + weights . values for `rows` rows and 8 * vectors dimensions from d on.
// Positions from `count` on are in nobody's sight and may hold anything: they are not read.
template <class Values, int rows, int vectors>
inline void AddValuesPart(const QueryRows& in, Values values, const char* ahead, uint32_t first,
                          uint32_t count, uint32_t d) {
  for (uint32_t line = 0; line < 8 * vectors * kTile * Values::kBytes; line += 64)
    _mm_prefetch(ahead + size_t{d} * kTile * Values::kBytes + line, _MM_HINT_T0);
  __m256 acc[rows][vectors];
  float* out = in.acc + first * in.acc_stride + d;
#pragma GCC unroll 6
  for (int r = 0; r < rows; ++r) {
    const __m256 correction = _mm256_set1_ps(in.correction[first + r]);
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v)
      acc[r][v] = _mm256_mul_ps(_mm256_loadu_ps(out + r * in.acc_stride + 8 * v), correction);
  }
  const float* weights = in.weights + first * kTile;
  for (uint32_t p = 0; p < count; ++p) {
    OuterProduct<rows, vectors>(
        acc, [&](int r) { return _mm256_broadcast_ss(weights + r * kTile + p); },
        [&](int v) { return values.Load8(size_t{p} * in.head_dim + d + 8 * v); });
  }
#pragma GCC unroll 6
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) _mm256_storeu_ps(out + r * in.acc_stride + 8 * v, acc[r][v]);
}

// All dimensions; few rows take more of them at a time, to keep enough sums in flight.
template <class Values, int rows>
inline void AddValuesRows(const QueryRows& in, Values values, const char* ahead, uint32_t first,
                          uint32_t count) {
  uint32_t d = 0;
  if constexpr (rows <= 3) {
    for (; d + 32 <= in.head_dim; d += 32)
      AddValuesPart<Values, rows, 4>(in, values, ahead, first, count, d);
  }
  for (; d < in.head_dim; d += 16)
    AddValuesPart<Values, rows, 2>(in, values, ahead, first, count, d);
}

struct F16Tile {
  using V = Vec;
  static constexpr uint32_t kRowsMax = avx2::kRowsMax;
  template <int rows>
  static inline void Scores(const QueryRows& in, const std::byte* tile, const std::byte* next,
                            uint32_t first) {
    ScoresF16Rows<rows>(in, reinterpret_cast<const uint16_t*>(tile),
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
  // q times the scale of the scores.
  static inline void PrepareQuery(const QueryRows& in, uint32_t row, const float* q, float scale) {
    float* out = in.q + size_t{row} * in.head_dim;
    for (uint32_t d = 0; d < in.head_dim; d += Vec::kLanes)
      (Vec::Load(q + d) * Vec::All(scale)).Store(out + d);
  }
};

struct Int8Tile {
  using V = Vec;
  static constexpr uint32_t kRowsMax = avx2::kRowsMax;
  template <int rows>
  static inline void Scores(const QueryRows& in, const std::byte* tile, const std::byte* next,
                            uint32_t first) {
    ScoresInt8Rows<rows>(in, tile, reinterpret_cast<const char*>(next), first);
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
    auto* out = reinterpret_cast<int8_t*>(in.q + size_t{row} * in.head_dim);
    in.q_scales[row] = vec::QuantiseHead<Vec>(q, in.head_dim, out) * scale;
  }
};

}  // namespace

size_t AttentionPartialFloats(uint32_t rows, uint32_t group, uint32_t head_dim) {
  return vec::PartialFloats(rows, group, head_dim);
}

size_t AttentionScratchFloats(uint32_t rows, uint32_t group, uint32_t head_dim) {
  return vec::RowsFloats(rows * group, head_dim) + 2 * vec::PartialFloats(rows, group, head_dim);
}

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

void AttentionMerge(const AttentionArgs& args, const float* partials, uint32_t count,
                    size_t partial_stride) {
  vec::MergeSpans<Vec>(args, partials, count, partial_stride);
}

}  // namespace infe::kernels::avx2

// Online softmax attention over tiles of 32 positions, but for the two products and the softmax of
// a tile, which each vector ISA brings (the Tile of the templates). All query heads of a KV head's
// group, for all query rows of the call, are the rows of two small matrix products per tile:
//
//   scores [rows][32] = q [rows][head_dim] . keys;  p = exp(scores - max), masked lanes exactly 0
//   acc [rows][head_dim] = acc * exp(old max - max) + p . values
//
// A row's operations and their order are the same whatever other rows are there, and a tile that it
// does not see changes none of its bits, so results do not depend on how a prompt is cut. Included
// by avx2/*.cc and avx512/*.cc only.
#pragma once

#include <immintrin.h>

#include "kernels/avx2/attention.h"
#include "kernels/avx2/vec_math.h"

namespace infe::kernels::avx2 {
namespace {

// The maximum of a row that has seen no key: finite, so that differences of two such are 0.
constexpr float kNothingSeen = -1e30f;
constexpr uint32_t kTile = kKvTilePositions;
constexpr uint32_t kHeadDimMax = 1024;
constexpr uint32_t kInt8Header = 2 * kTile * sizeof(float);
// One call's rows in scratch: row i = r * group + g.
struct QueryRows {
  uint32_t count;
  uint32_t head_dim;
  float* q;           // [count][head_dim] as the Tile wants them, times scale
  float* q_scales;    // int8: scale of the row's integers, times args.scale
  float* weights;     // [count][32]: scores, then probabilities of the current tile
  float* correction;  // [count]
  float* acc;         // [count][head_dim + 16]: sums, then maximum and sum of weights
  size_t acc_stride;
};

size_t RoundUp(size_t n) {
  return (n + 15) / 16 * 16;
}

// One query row as s8, the same operations as activations (quantise.cc). Returns its scale.
inline float QuantiseQuery(const float* q, uint32_t head_dim, int8_t* out) {
  const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  __m256 largest = _mm256_setzero_ps();
  for (uint32_t d = 0; d < head_dim; d += 8)
    largest = _mm256_max_ps(_mm256_and_ps(_mm256_loadu_ps(q + d), magnitude), largest);
  const float top = MaxOf(largest);
  const bool zero = !(top >= 1e-30f);
  const __m256 inverse = _mm256_set1_ps(zero ? 0.0f : 127.0f / top);
  for (uint32_t d = 0; d < head_dim; d += 8) {
    const __m256i i = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(q + d), inverse));
    const __m128i words =
        _mm_packs_epi32(_mm256_castsi256_si128(i), _mm256_extracti128_si256(i, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out + d), _mm_packs_epi16(words, words));
  }
  return zero ? 0.0f : top / 127.0f;
}

// Calls f.template operator()<rows>(first) for all rows, in even parts of at most rows_max.
template <uint32_t n, class F>
inline void CallWithRows(uint32_t rows, uint32_t first, F& f) {
  if (rows == n)
    f.template operator()<n>(first);
  else if constexpr (n > 1)
    CallWithRows<n - 1>(rows, first, f);
}
template <uint32_t rows_max, class F>
inline void ForParts(uint32_t count, F f) {
  const uint32_t parts = (count + rows_max - 1) / rows_max;
  uint32_t first = 0;
  for (uint32_t part = 0; part < parts; ++part) {
    const uint32_t end = count * (part + 1) / parts;
    CallWithRows<rows_max>(end - first, first, f);
    first = end;
  }
}

inline uint32_t FirstSeen(const AttentionArgs& a, uint32_t r) {
  const uint32_t p = a.position + r;
  return a.window != 0 && p + 1 > a.window ? p + 1 - a.window : 0;
}

QueryRows RowsIn(const AttentionArgs& a, float* partial) {
  QueryRows rows;
  rows.count = a.rows * a.group;
  rows.head_dim = a.head_dim;
  float* at = a.scratch;
  rows.q = at;
  at += size_t{rows.count} * a.head_dim;
  rows.weights = at;
  at += size_t{rows.count} * kTile;
  rows.q_scales = at;
  at += RoundUp(rows.count);
  rows.correction = at;
  rows.acc = partial;
  rows.acc_stride = a.head_dim + 16;
  return rows;
}

size_t RowsFloats(uint32_t count, uint32_t head_dim) {
  return size_t{count} * (head_dim + kTile) + 2 * RoundUp(count);
}

template <class Tile>
void PrepareQueries(const AttentionArgs& a, const QueryRows& rows) {
  for (uint32_t r = 0; r < a.rows; ++r)
    for (uint32_t g = 0; g < a.group; ++g)
      Tile::PrepareQuery(rows, r * a.group + g, a.q + r * a.q_stride + size_t{g} * a.head_dim,
                         a.scale);
}

// One tile for all rows. start: its first position. `next` is fetched meanwhile.
template <class Tile>
void AddTile(const AttentionArgs& a, const QueryRows& rows, const std::byte* tile,
             const std::byte* next, uint32_t start, uint32_t count) {
  ForParts<Tile::kRowsMax>(rows.count, [&]<int n>(uint32_t first) {
    Tile::template Scores<n>(rows, tile, first == 0 ? next : tile, first);
  });
  for (uint32_t r = 0; r < a.rows; ++r) {
    const uint32_t low = FirstSeen(a, r);
    const uint32_t high = a.position + r + 1;
    const uint32_t begin = low > start ? low - start : 0;
    const uint32_t end = high > start ? (high - start < kTile ? high - start : kTile) : 0;
    for (uint32_t g = 0; g < a.group; ++g) Tile::Softmax(rows, r * a.group + g, begin, end, tile);
  }
  ForParts<Tile::kRowsMax>(rows.count, [&]<int n>(uint32_t first) {
    Tile::template AddValues<n>(rows, tile, first == 0 ? next : tile, first, count);
  });
}

// The tiles of one span that some row sees.
template <class Tile>
void AddSpan(const AttentionArgs& a, const QueryRows& rows, uint32_t span) {
  for (uint32_t i = 0; i < rows.count; ++i) {
    float* acc = rows.acc + i * rows.acc_stride;
    for (uint32_t d = 0; d < a.head_dim; d += 8) _mm256_storeu_ps(acc + d, _mm256_setzero_ps());
    acc[a.head_dim] = kNothingSeen;
    acc[a.head_dim + 1] = 0;
  }
  const uint32_t seen_end = a.position + a.rows;
  const uint32_t span_end = (span + 1) * kAttentionSpan;
  const uint32_t end = seen_end < span_end ? seen_end : span_end;
  uint32_t start = FirstSeen(a, 0) / kTile * kTile;
  if (start < span * kAttentionSpan) start = span * kAttentionSpan;
  for (; start < end; start += kTile) {
    const std::byte* tile = a.tiles[start / kTile];
    const std::byte* next = start + kTile < end ? a.tiles[start / kTile + 1] : tile;
    AddTile<Tile>(a, rows, tile, next, start, end - start < kTile ? end - start : kTile);
  }
}

// into += from, both [head_dim + 16] of one row.
inline void MergeRow(float* into, const float* from, uint32_t head_dim) {
  const float old_max = into[head_dim];
  const float new_max = from[head_dim];
  const float max = new_max > old_max ? new_max : old_max;
  const float keep = max == old_max ? 1.0f : Exp1(old_max - max);
  const float take = max == new_max ? 1.0f : Exp1(new_max - max);
  for (uint32_t d = 0; d < head_dim; d += 8) {
    const __m256 kept = _mm256_mul_ps(_mm256_loadu_ps(into + d), _mm256_set1_ps(keep));
    _mm256_storeu_ps(into + d,
                     _mm256_fmadd_ps(_mm256_loadu_ps(from + d), _mm256_set1_ps(take), kept));
  }
  into[head_dim] = max;
  into[head_dim + 1] = into[head_dim + 1] * keep + from[head_dim + 1] * take;
}

inline void WriteRow(const float* row, uint32_t head_dim, float* out) {
  const float sum = row[head_dim + 1];
  const __m256 inverse = _mm256_set1_ps(sum > 0 ? 1.0f / sum : 0.0f);
  for (uint32_t d = 0; d < head_dim; d += 8)
    _mm256_storeu_ps(out + d, _mm256_mul_ps(_mm256_loadu_ps(row + d), inverse));
}

template <class Tile>
void AttentionAll(const AttentionArgs& a) {
  const size_t partial_floats = AttentionPartialFloats(a.rows, a.group, a.head_dim);
  float* merged = a.scratch + RowsFloats(a.rows * a.group, a.head_dim);
  float* next = merged + partial_floats;
  QueryRows rows = RowsIn(a, merged);
  PrepareQueries<Tile>(a, rows);
  const uint32_t first = FirstSeen(a, 0) / kAttentionSpan;
  const uint32_t last = (a.position + a.rows - 1) / kAttentionSpan;
  AddSpan<Tile>(a, rows, first);
  rows.acc = next;
  for (uint32_t span = first + 1; span <= last; ++span) {
    AddSpan<Tile>(a, rows, span);
    for (uint32_t i = 0; i < rows.count; ++i)
      MergeRow(merged + i * rows.acc_stride, next + i * rows.acc_stride, a.head_dim);
  }
  for (uint32_t r = 0; r < a.rows; ++r)
    for (uint32_t g = 0; g < a.group; ++g)
      WriteRow(merged + (r * a.group + g) * rows.acc_stride, a.head_dim,
               a.out + r * a.out_stride + size_t{g} * a.head_dim);
}

template <class Tile>
void AttentionOneSpan(const AttentionArgs& a, uint32_t span, float* partial) {
  const QueryRows rows = RowsIn(a, partial);
  PrepareQueries<Tile>(a, rows);
  AddSpan<Tile>(a, rows, span);
}

}  // namespace
}  // namespace infe::kernels::avx2

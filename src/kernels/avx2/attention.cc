// Online softmax attention over tiles of 32 positions. All query heads of a KV head's group, for
// all query rows of the call, are the rows of two small matrix products per tile:
//
//   scores [rows][32] = q [rows][head_dim] . keys;  p = exp(scores - max), masked lanes exactly 0
//   acc [rows][head_dim] = acc * exp(old max - max) + p . values
//
// A row's operations and their order are the same whatever other rows are there, and a tile that it
// does not see changes none of its bits, so results do not depend on how a prompt is cut.
#include "kernels/avx2/attention.h"

#include <immintrin.h>

#include "kernels/avx2/vec_math.h"

namespace infe::kernels::avx2 {
namespace {

// The maximum of a row that has seen no key: finite, so that differences of two such are 0.
constexpr float kNothingSeen = -1e30f;
constexpr uint32_t kTile = kKvTilePositions;
constexpr uint32_t kInt8Header = 2 * kTile * sizeof(float);
// Query rows in one register tile.
constexpr uint32_t kRowsMax = 6;

// One call's rows in scratch: row i = r * group + g.
struct Rows {
  uint32_t count;
  uint32_t head_dim;
  float* q;           // f32 [count][head_dim], times scale; int8: s8 in the same rows
  float* q_scales;    // int8: scale of the row's integers, times args.scale
  float* weights;     // [count][32]: scores, then probabilities of the current tile
  float* correction;  // [count]
  float* acc;         // [count][head_dim + 16]: sums, then maximum and sum of weights
  size_t acc_stride;
};

size_t RoundUp(size_t n) {
  return (n + 15) / 16 * 16;
}

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
void ScoresF16(const Rows& in, const uint16_t* keys, const char* ahead, uint32_t first,
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
inline void ScoresF16Rows(const Rows& in, const uint16_t* keys, const char* ahead, uint32_t first) {
  if constexpr (rows <= 3) {
    ScoresF16<rows, 4>(in, keys, ahead, first, 0);
  } else {
    ScoresF16<rows, 2>(in, keys, ahead, first, 0);
    ScoresF16<rows, 2>(in, keys, ahead, first, 2);
  }
}

// Exact integer products of s8 keys and s8 queries (gemv.h, AddSignedStep), then the scales.
template <int rows>
inline void ScoresInt8Rows(const Rows& in, const std::byte* tile, const char* ahead,
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
inline void AddValuesPart(const Rows& in, Values values, const char* ahead, uint32_t first,
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
inline void AddValuesRows(const Rows& in, Values values, const char* ahead, uint32_t first,
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
  template <int rows>
  static inline void Scores(const Rows& in, const std::byte* tile, const std::byte* next,
                            uint32_t first) {
    ScoresF16Rows<rows>(in, reinterpret_cast<const uint16_t*>(tile),
                        reinterpret_cast<const char*>(next), first);
  }
  template <int rows>
  static inline void AddValues(const Rows& in, const std::byte* tile, const std::byte* next,
                               uint32_t first, uint32_t count) {
    const auto* halves = reinterpret_cast<const uint16_t*>(tile);
    const size_t values = size_t{kTile} * in.head_dim;
    AddValuesRows<F16Values, rows>(in, {halves + values},
                                   reinterpret_cast<const char*>(next) + 2 * values, first, count);
  }
  static inline const float* ValueScales(const std::byte*) { return nullptr; }
  // q times the scale of the scores.
  static inline void PrepareQuery(const Rows& in, uint32_t row, const float* q, float scale) {
    float* out = in.q + size_t{row} * in.head_dim;
    for (uint32_t d = 0; d < in.head_dim; d += 8)
      _mm256_storeu_ps(out + d, _mm256_mul_ps(_mm256_loadu_ps(q + d), _mm256_set1_ps(scale)));
  }
};

struct Int8Tile {
  template <int rows>
  static inline void Scores(const Rows& in, const std::byte* tile, const std::byte* next,
                            uint32_t first) {
    ScoresInt8Rows<rows>(in, tile, reinterpret_cast<const char*>(next), first);
  }
  template <int rows>
  static inline void AddValues(const Rows& in, const std::byte* tile, const std::byte* next,
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
  static inline void PrepareQuery(const Rows& in, uint32_t row, const float* q, float scale) {
    const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    __m256 largest = _mm256_setzero_ps();
    for (uint32_t d = 0; d < in.head_dim; d += 8)
      largest = _mm256_max_ps(_mm256_and_ps(_mm256_loadu_ps(q + d), magnitude), largest);
    const float top = MaxOf(largest);
    const bool zero = !(top >= 1e-30f);
    const __m256 inverse = _mm256_set1_ps(zero ? 0.0f : 127.0f / top);
    auto* out = reinterpret_cast<int8_t*>(in.q + size_t{row} * in.head_dim);
    for (uint32_t d = 0; d < in.head_dim; d += 8) {
      const __m256i i = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(q + d), inverse));
      const __m128i words =
          _mm_packs_epi32(_mm256_castsi256_si128(i), _mm256_extracti128_si256(i, 1));
      _mm_storel_epi64(reinterpret_cast<__m128i*>(out + d), _mm_packs_epi16(words, words));
    }
    in.q_scales[row] = zero ? 0.0f : top / 127.0f * scale;
  }
};

// Scores to probabilities of one row, which sees positions [begin, end) of the tile; updates the
// row's maximum, sum and correction.
inline void SoftmaxRow(const Rows& in, uint32_t row, uint32_t begin, uint32_t end,
                       const float* value_scales) {
  float* weights = in.weights + row * kTile;
  float* state = in.acc + row * in.acc_stride + in.head_dim;
  if (begin >= end) {
    in.correction[row] = 1.0f;
    for (int v = 0; v < 4; ++v) _mm256_store_ps(weights + 8 * v, _mm256_setzero_ps());
    return;
  }
  __m256 seen[4];
  __m256 scores[4];
  for (int v = 0; v < 4; ++v) scores[v] = _mm256_load_ps(weights + 8 * v);
  const bool all = begin == 0 && end == kTile;
  if (!all) {
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i last = _mm256_set1_epi32(static_cast<int32_t>(end));
    const __m256i before = _mm256_set1_epi32(static_cast<int32_t>(begin) - 1);
    for (int v = 0; v < 4; ++v) {
      const __m256i at = _mm256_add_epi32(lanes, _mm256_set1_epi32(8 * v));
      seen[v] = _mm256_castsi256_ps(
          _mm256_and_si256(_mm256_cmpgt_epi32(last, at), _mm256_cmpgt_epi32(at, before)));
      scores[v] = _mm256_blendv_ps(_mm256_set1_ps(kNothingSeen), scores[v], seen[v]);
    }
  }
  const float top = MaxOf(
      _mm256_max_ps(_mm256_max_ps(scores[0], scores[1]), _mm256_max_ps(scores[2], scores[3])));
  const float old_max = state[0];
  const float max = top > old_max ? top : old_max;
  const __m256 maxes = _mm256_set1_ps(max);
  for (int v = 0; v < 4; ++v) scores[v] = Exp(_mm256_sub_ps(scores[v], maxes));
  if (!all)
    for (int v = 0; v < 4; ++v) scores[v] = _mm256_and_ps(scores[v], seen[v]);
  const float sum = SumOf(
      _mm256_add_ps(_mm256_add_ps(scores[0], scores[1]), _mm256_add_ps(scores[2], scores[3])));
  const float correction = max == old_max ? 1.0f : Exp1(old_max - max);
  in.correction[row] = correction;
  state[0] = max;
  state[1] = state[1] * correction + sum;
  for (int v = 0; v < 4; ++v) {
    __m256 w = scores[v];
    if (value_scales != nullptr) {
      w = _mm256_mul_ps(w, _mm256_loadu_ps(value_scales + 8 * v));
      // A scale beyond the row's sight may hold anything, even a NaN.
      if (!all) w = _mm256_and_ps(w, seen[v]);
    }
    _mm256_store_ps(weights + 8 * v, w);
  }
}

// Calls f.template operator()<rows>(first) for all rows, in even parts of at most kRowsMax.
template <class F>
inline void ForParts(uint32_t count, F f) {
  const uint32_t parts = (count + kRowsMax - 1) / kRowsMax;
  uint32_t first = 0;
  for (uint32_t part = 0; part < parts; ++part) {
    const uint32_t end = count * (part + 1) / parts;
    switch (end - first) {
      case 1:
        f.template operator()<1>(first);
        break;
      case 2:
        f.template operator()<2>(first);
        break;
      case 3:
        f.template operator()<3>(first);
        break;
      case 4:
        f.template operator()<4>(first);
        break;
      case 5:
        f.template operator()<5>(first);
        break;
      case 6:
        f.template operator()<6>(first);
        break;
    }
    first = end;
  }
}

inline uint32_t FirstSeen(const AttentionArgs& a, uint32_t r) {
  const uint32_t p = a.position + r;
  return a.window != 0 && p + 1 > a.window ? p + 1 - a.window : 0;
}

Rows RowsIn(const AttentionArgs& a, float* partial) {
  Rows rows;
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
void PrepareQueries(const AttentionArgs& a, const Rows& rows) {
  for (uint32_t r = 0; r < a.rows; ++r)
    for (uint32_t g = 0; g < a.group; ++g)
      Tile::PrepareQuery(rows, r * a.group + g, a.q + r * a.q_stride + size_t{g} * a.head_dim,
                         a.scale);
}

// One tile for all rows. start: its first position. `next` is fetched meanwhile.
template <class Tile>
void AddTile(const AttentionArgs& a, const Rows& rows, const std::byte* tile, const std::byte* next,
             uint32_t start, uint32_t count) {
  ForParts(rows.count, [&]<int n>(uint32_t first) {
    Tile::template Scores<n>(rows, tile, first == 0 ? next : tile, first);
  });
  for (uint32_t r = 0; r < a.rows; ++r) {
    const uint32_t low = FirstSeen(a, r);
    const uint32_t high = a.position + r + 1;
    const uint32_t begin = low > start ? low - start : 0;
    const uint32_t end = high > start ? (high - start < kTile ? high - start : kTile) : 0;
    for (uint32_t g = 0; g < a.group; ++g)
      SoftmaxRow(rows, r * a.group + g, begin, end, Tile::ValueScales(tile));
  }
  ForParts(rows.count, [&]<int n>(uint32_t first) {
    Tile::template AddValues<n>(rows, tile, first == 0 ? next : tile, first, count);
  });
}

// The tiles of one span that some row sees.
template <class Tile>
void AddSpan(const AttentionArgs& a, const Rows& rows, uint32_t span) {
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
  Rows rows = RowsIn(a, merged);
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
  const Rows rows = RowsIn(a, partial);
  PrepareQueries<Tile>(a, rows);
  AddSpan<Tile>(a, rows, span);
}

}  // namespace

size_t AttentionPartialFloats(uint32_t rows, uint32_t group, uint32_t head_dim) {
  return size_t{rows} * group * (head_dim + 16);
}

size_t AttentionScratchFloats(uint32_t rows, uint32_t group, uint32_t head_dim) {
  return RowsFloats(rows * group, head_dim) + 2 * AttentionPartialFloats(rows, group, head_dim);
}

void Attention(KvType type, const AttentionArgs& args) {
  if (type == KvType::kF16)
    AttentionAll<F16Tile>(args);
  else
    AttentionAll<Int8Tile>(args);
}

void AttentionSpan(KvType type, const AttentionArgs& args, uint32_t span, float* partial) {
  if (type == KvType::kF16)
    AttentionOneSpan<F16Tile>(args, span, partial);
  else
    AttentionOneSpan<Int8Tile>(args, span, partial);
}

void AttentionMerge(const AttentionArgs& a, const float* partials, uint32_t count,
                    size_t partial_stride) {
  const size_t row_floats = a.head_dim + 16;
  for (uint32_t i = 0; i < a.rows * a.group; ++i) {
    constexpr uint32_t kHeadDimMax = 1024;
    alignas(32) float row[kHeadDimMax + 16];
    const float* from = partials + i * row_floats;
    __builtin_memcpy(row, from, (a.head_dim + 2) * sizeof(float));
    for (uint32_t s = 1; s < count; ++s) MergeRow(row, from + s * partial_stride, a.head_dim);
    WriteRow(row, a.head_dim,
             a.out + i / a.group * a.out_stride + size_t{i % a.group} * a.head_dim);
  }
}

}  // namespace infe::kernels::avx2

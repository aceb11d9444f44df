// Online softmax attention over tiles of 32 positions, but for the two products of a tile, which
// each vector ISA brings (the Tile of the templates). All query heads of a KV head's group, for all
// query rows of the call, are the rows of two small matrix products per tile:
//
//   scores [rows][32] = q [rows][head_dim] . keys;  p = exp(scores - max), masked lanes exactly 0
//   acc [rows][head_dim] = acc * exp(old max - max) + p . values
//
// A row's operations and their order are the same whatever other rows are there, and a tile that it
// does not see changes none of its bits, so results do not depend on how a prompt is cut.
//
// A tile of 32 positions; head_dim is a multiple of 16:
//   f16   keys [head_dim][32], values [32][head_dim]
//   int8  f32 scales of the 32 keys, of the 32 values; keys [head_dim / 4][32][4], values
//         [32][head_dim]
// so that lanes are positions in q.k and dimensions in p.v, and neither needs a horizontal sum.
#pragma once

#include "kernels/table.h"
#include "kernels/vec/exp-inl.h"
#include "kernels/vec/quantise_head-inl.h"

namespace infe::kernels::vec {
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

// To whole lines of memory.
inline size_t RoundUp(size_t n) {
  return (n + 15) / 16 * 16;
}

// e^(x - max); 1 without computing it where x is the maximum.
template <Vec V>
inline float ExpOfDifference(float x, float max) {
  return x == max ? 1.0f : FirstLane(Exp(V::All(x - max)));
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

// The positions that row r sees: from the first up to the end.
inline uint32_t FirstSeen(const AttentionArgs& a, uint32_t r) {
  const uint32_t p = a.position + r;
  if (a.window == 0) return 0;
  const uint32_t before = a.length > 0 ? a.window / 2 : a.window - 1;
  return p > before ? p - before : 0;
}
inline uint32_t EndSeen(const AttentionArgs& a, uint32_t r) {
  const uint32_t p = a.position + r;
  if (a.length == 0) return p + 1;
  return a.window != 0 && a.length - p > a.window / 2 + 1 ? p + a.window / 2 + 1 : a.length;
}

inline const float* SinkOf(const AttentionArgs& a, uint32_t g) {
  return a.sinks == nullptr ? nullptr : a.sinks + g;
}

inline QueryRows RowsIn(const AttentionArgs& a, float* partial) {
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

inline size_t RowsFloats(uint32_t count, uint32_t head_dim) {
  return size_t{count} * (head_dim + kTile) + 2 * RoundUp(count);
}

inline size_t PartialFloats(uint32_t rows, uint32_t group, uint32_t head_dim) {
  return size_t{rows} * group * (head_dim + 16);
}

// What an ISA brings for one type of KV memory:
//   using V                                     its Vec
//   kRowsMax                                    query rows in one register tile
//   PrepareQuery(rows, row, q, scale)           one query row into rows.q (and rows.q_scales)
//   Scores<n>(rows, tile, next, first)          rows.weights = q . keys for n rows from `first`
//   ValueScales(tile)                           f32 scales of the tile's 32 values, or null
//   AddValues<n>(rows, tile, next, first, count)  rows.acc = acc * correction + weights . values
// `next` is the memory that comes after this tile, to fetch ahead.
template <class Tile>
void PrepareQueries(const AttentionArgs& a, const QueryRows& rows) {
  for (uint32_t r = 0; r < a.rows; ++r)
    for (uint32_t g = 0; g < a.group; ++g)
      Tile::PrepareQuery(rows, r * a.group + g, a.q + r * a.q_stride + size_t{g} * a.head_dim,
                         a.scale);
}

// Scores to probabilities of one row, which sees positions [begin, end) of the tile; updates the
// row's maximum, sum and correction. value_scales: null, or of the tile's 32 values.
template <BlockVec V>
inline void SoftmaxRow(const QueryRows& in, uint32_t row, uint32_t begin, uint32_t end,
                       float softcap, const float* value_scales) {
  constexpr uint32_t kVectors = kTile / V::kLanes;
  float* weights = in.weights + row * kTile;
  float* state = in.acc + row * in.acc_stride + in.head_dim;
  if (begin >= end) {
    in.correction[row] = 1.0f;
    for (uint32_t v = 0; v < kVectors; ++v) V::All(0.0f).Store(weights + V::kLanes * v);
    return;
  }
  const bool all = begin == 0 && end == kTile;
  typename V::Mask seen[kVectors];
  V p[kVectors];
  for (uint32_t v = 0; v < kVectors; ++v) p[v] = V::Load(weights + V::kLanes * v);
  if (softcap != 0)
    for (uint32_t v = 0; v < kVectors; ++v) p[v] = SoftcapOf(p[v], V::All(softcap));
  if (!all) {
    for (uint32_t v = 0; v < kVectors; ++v) {
      seen[v] = V::Between(V::kLanes * v, begin, end);
      p[v] = Where(seen[v], p[v], V::All(kNothingSeen));
    }
  }
  const float top = Max32(p);
  const float old_max = state[0];
  const float max = top > old_max ? top : old_max;
  for (uint32_t v = 0; v < kVectors; ++v) p[v] = Exp(p[v] - V::All(max));
  if (!all)
    for (uint32_t v = 0; v < kVectors; ++v) p[v] = WhereOrZero(seen[v], p[v]);
  const float correction = ExpOfDifference<V>(old_max, max);
  in.correction[row] = correction;
  state[0] = max;
  state[1] = state[1] * correction + Sum32(p);
  for (uint32_t v = 0; v < kVectors; ++v) {
    if (value_scales != nullptr) {
      p[v] = p[v] * V::Load(value_scales + V::kLanes * v);
      // A scale beyond the row's sight may hold anything, even a NaN.
      if (!all) p[v] = WhereOrZero(seen[v], p[v]);
    }
    p[v].Store(weights + V::kLanes * v);
  }
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
    const uint32_t high = EndSeen(a, r);
    const uint32_t begin = low > start ? low - start : 0;
    const uint32_t end = high > start ? (high - start < kTile ? high - start : kTile) : 0;
    for (uint32_t g = 0; g < a.group; ++g)
      SoftmaxRow<typename Tile::V>(rows, r * a.group + g, begin, end, a.softcap,
                                   Tile::ValueScales(tile));
  }
  ForParts<Tile::kRowsMax>(rows.count, [&]<int n>(uint32_t first) {
    Tile::template AddValues<n>(rows, tile, first == 0 ? next : tile, first, count);
  });
}

// The tiles of one span that some row sees.
template <class Tile>
void AddSpan(const AttentionArgs& a, const QueryRows& rows, uint32_t span) {
  using V = typename Tile::V;
  for (uint32_t i = 0; i < rows.count; ++i) {
    float* acc = rows.acc + i * rows.acc_stride;
    for (uint32_t d = 0; d < a.head_dim; d += V::kLanes) V::All(0.0f).Store(acc + d);
    acc[a.head_dim] = kNothingSeen;
    acc[a.head_dim + 1] = 0;
  }
  const uint32_t seen_end = EndSeen(a, a.rows - 1);
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
template <BlockVec V>
inline void MergeRow(float* into, const float* from, uint32_t head_dim) {
  const float old_max = into[head_dim];
  const float new_max = from[head_dim];
  const float max = new_max > old_max ? new_max : old_max;
  const float keep = ExpOfDifference<V>(old_max, max);
  const float take = ExpOfDifference<V>(new_max, max);
  for (uint32_t d = 0; d < head_dim; d += V::kLanes) {
    const V kept = V::Load(into + d) * V::All(keep);
    MulAdd(V::Load(from + d), V::All(take), kept).Store(into + d);
  }
  into[head_dim] = max;
  into[head_dim + 1] = into[head_dim + 1] * keep + from[head_dim + 1] * take;
}

// sink: the score of the key without a value, or null.
template <BlockVec V>
inline void WriteRow(const float* row, uint32_t head_dim, const float* sink, float* out) {
  const float sum = row[head_dim + 1];
  float factor = sum > 0 ? 1.0f / sum : 0.0f;
  if (sink != nullptr) {
    const float old_max = row[head_dim];
    const float max = *sink > old_max ? *sink : old_max;
    const float keep = ExpOfDifference<V>(old_max, max);
    factor = keep / (sum * keep + ExpOfDifference<V>(*sink, max));
  }
  const V inverse = V::All(factor);
  for (uint32_t d = 0; d < head_dim; d += V::kLanes) (V::Load(row + d) * inverse).Store(out + d);
}

template <class Tile>
void AttentionAll(const AttentionArgs& a) {
  using V = typename Tile::V;
  const size_t partial_floats = PartialFloats(a.rows, a.group, a.head_dim);
  float* merged = a.scratch + RowsFloats(a.rows * a.group, a.head_dim);
  float* next = merged + partial_floats;
  QueryRows rows = RowsIn(a, merged);
  PrepareQueries<Tile>(a, rows);
  const uint32_t first = FirstSeen(a, 0) / kAttentionSpan;
  const uint32_t last = (EndSeen(a, a.rows - 1) - 1) / kAttentionSpan;
  AddSpan<Tile>(a, rows, first);
  rows.acc = next;
  for (uint32_t span = first + 1; span <= last; ++span) {
    AddSpan<Tile>(a, rows, span);
    for (uint32_t i = 0; i < rows.count; ++i)
      MergeRow<V>(merged + i * rows.acc_stride, next + i * rows.acc_stride, a.head_dim);
  }
  for (uint32_t r = 0; r < a.rows; ++r)
    for (uint32_t g = 0; g < a.group; ++g)
      WriteRow<V>(merged + (r * a.group + g) * rows.acc_stride, a.head_dim, SinkOf(a, g),
                  a.out + r * a.out_stride + size_t{g} * a.head_dim);
}

template <class Tile>
void AttentionOneSpan(const AttentionArgs& a, uint32_t span, float* partial) {
  const QueryRows rows = RowsIn(a, partial);
  PrepareQueries<Tile>(a, rows);
  AddSpan<Tile>(a, rows, span);
}

template <BlockVec V>
void MergeSpans(const AttentionArgs& a, const float* partials, uint32_t count,
                size_t partial_stride) {
  const size_t row_floats = a.head_dim + 16;
  for (uint32_t i = 0; i < a.rows * a.group; ++i) {
    alignas(64) float row[kHeadDimMax + 16];
    const float* from = partials + i * row_floats;
    __builtin_memcpy(row, from, (a.head_dim + 2) * sizeof(float));
    for (uint32_t s = 1; s < count; ++s) MergeRow<V>(row, from + s * partial_stride, a.head_dim);
    WriteRow<V>(row, a.head_dim, SinkOf(a, i % a.group),
                a.out + i / a.group * a.out_stride + size_t{i % a.group} * a.head_dim);
  }
}

}  // namespace
}  // namespace infe::kernels::vec

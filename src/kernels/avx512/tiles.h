// Register tiles: a few activation rows times a whole stripe (two panels of 16 outputs), over
// blocks of 32 columns that come packed or unpacked. vpdpbusd sums four products of unsigned codes
// and s8 activations into 32 bits, exactly; the codes' offset is in the start of the sum. f32
// operations as on AVX2, in the same order for every number of rows. Included by avx512/*.cc only.
#pragma once

#include "kernels/avx512/panel_codes.h"

namespace infe::kernels::INFE_AVX512_NAMESPACE {
namespace {

// Columns in a chunk / 32: 32 KiB of codes.
constexpr uint32_t kChunkBlocks = 32;

// A chunk of a stripe, unpacked.
struct Chunk {
  alignas(64) uint8_t codes[kChunkBlocks][8][2][64];
  alignas(64) float scales[kChunkBlocks][2][16];
  alignas(64) float mins[kChunkBlocks][2][16];
  alignas(64) float sub_scales[kChunkBlocks][2][2][16];  // of halves: [half][panel]
  alignas(64) uint8_t sub_mins[kChunkBlocks][2][2][64];
};

// Where a tile's 32 columns x 32 outputs come from: a block of a chunk ...
template <PanelFormat f>
struct UnpackedBlock {
  const Chunk& chunk;
  uint32_t b;
  template <int k>
  inline __m512i Get(int side) const {
    return Load(chunk.codes[b][k][side]);
  }
  inline __m512 Scale(int side) const { return _mm512_loadu_ps(chunk.scales[b][side]); }
  inline __m512 Min(int side) const { return _mm512_loadu_ps(chunk.mins[b][side]); }
  inline __m512 SubScale(int half, int side) const {
    return _mm512_loadu_ps(chunk.sub_scales[b][half][side]);
  }
  inline __m512i SubMin(int half, int side) const { return Load(chunk.sub_mins[b][half][side]); }
};

// ... or the packed panels themselves, unpacked in registers.
template <PanelFormat f>
struct PackedBlock {
  const uint8_t* record;
  const uint8_t* sub_record;
  uint32_t first;  // panel of side 0
  template <int k>
  inline __m512i Get(int side) const {
    return Codes<f, k>(sub_record + SubHeaderBytes(f) + (first + side) * kPanelBytes<f>);
  }
  inline __m512 Scale(int side) const { return ScaleOf<f>(record, sub_record, first + side); }
  inline __m512 Min(int side) const { return MinOf<f>(record, sub_record, first + side); }
  inline __m512 SubScale(int half, int side) const {
    return HalfScale<f>(sub_record, half, first + side);
  }
  inline __m512i SubMin(int half, int side) const {
    return HalfMin(sub_record, half, first + side);
  }
};

template <PanelFormat f>
inline void UnpackChunk(Cursor<f>& cursor, uint32_t blocks, Chunk& chunk) {
  for (uint32_t b = 0; b < blocks; ++b) {
    for (int side = 0; side < 2; ++side) {
      const PackedBlock<f> block = {cursor.record, cursor.sub_record, 0};
      _mm512_storeu_si512(chunk.codes[b][0][side], block.template Get<0>(side));
      _mm512_storeu_si512(chunk.codes[b][1][side], block.template Get<1>(side));
      _mm512_storeu_si512(chunk.codes[b][2][side], block.template Get<2>(side));
      _mm512_storeu_si512(chunk.codes[b][3][side], block.template Get<3>(side));
      _mm512_storeu_si512(chunk.codes[b][4][side], block.template Get<4>(side));
      _mm512_storeu_si512(chunk.codes[b][5][side], block.template Get<5>(side));
      _mm512_storeu_si512(chunk.codes[b][6][side], block.template Get<6>(side));
      _mm512_storeu_si512(chunk.codes[b][7][side], block.template Get<7>(side));
      _mm512_storeu_ps(chunk.scales[b][side], block.Scale(side));
      if constexpr (HasMin(f) || HasHalfMins(f))
        _mm512_storeu_ps(chunk.mins[b][side], block.Min(side));
      if constexpr (HasHalfScales(f)) {
        _mm512_storeu_ps(chunk.sub_scales[b][0][side], block.SubScale(0, side));
        _mm512_storeu_ps(chunk.sub_scales[b][1][side], block.SubScale(1, side));
      }
      if constexpr (HasHalfMins(f)) {
        _mm512_storeu_si512(chunk.sub_mins[b][0][side], block.SubMin(0, side));
        _mm512_storeu_si512(chunk.sub_mins[b][1][side], block.SubMin(1, side));
      }
    }
    cursor.Next();
  }
}

// sums[t][side] += codes of step k times columns 4 k .. of row t.
template <int k, int rows, int sides, class Block>
inline void AddStep(__m512i (&sums)[rows][sides], const Block& block, const Rows& in) {
  __m512i w[sides];
#pragma GCC unroll 2
  for (int side = 0; side < sides; ++side) w[side] = block.template Get<k>(side);
#pragma GCC unroll 8
  for (int t = 0; t < rows; ++t) {
    const __m512i x = Broadcast32(in.values + t * in.cols + 4 * k);
#pragma GCC unroll 2
    for (int side = 0; side < sides; ++side)
      sums[t][side] = _mm512_dpbusd_epi32(sums[t][side], w[side], x);
  }
}

// The start of a sum: minus the codes' offset times the sum of x, from the negated pair sums.
template <PanelFormat f>
inline __m512i StartOfSum([[maybe_unused]] const int16_t* pair_sums) {
  if constexpr (kOffset<f> == 0) return _mm512_setzero_si512();
  return _mm512_madd_epi16(Broadcast32(pair_sums), _mm512_set1_epi16(kOffset<f>));
}

// Steps 4 * half .. 4 * half + 3, started from the pair sums at `start` (of 8 in a block).
template <PanelFormat f, int half, int start, int rows, int sides, class Block>
inline void HalfDots(__m512i (&sums)[rows][sides], const Block& block, const Rows& in) {
#pragma GCC unroll 8
  for (int t = 0; t < rows; ++t) {
    const __m512i begin = StartOfSum<f>(in.pair_sums + t * (in.cols / 4) + start);
#pragma GCC unroll 2
    for (int side = 0; side < sides; ++side) sums[t][side] = begin;
  }
  AddStep<4 * half>(sums, block, in);
  AddStep<4 * half + 1>(sums, block, in);
  AddStep<4 * half + 2>(sums, block, in);
  AddStep<4 * half + 3>(sums, block, in);
}

// Minus the sum over both halves of minimum times sum of x, for one row.
template <class Block>
inline __m512 HalfMinsDot(const Block& block, int side, const int16_t* pair_sums) {
  return _mm512_cvtepi32_ps(
      _mm512_add_epi32(_mm512_madd_epi16(Broadcast32(pair_sums + 2), block.SubMin(0, side)),
                       _mm512_madd_epi16(Broadcast32(pair_sums + 4), block.SubMin(1, side))));
}

// One block: acc[t][side] = fma(dot, scale * x_scale, acc), then the minimum's term.
template <PanelFormat f, int rows, int sides, class Block>
inline void AddBlock(__m512 (&acc)[rows][sides], const Block& block, const Rows& in) {
  __m512 dots[rows][sides];
  __m512i sums[rows][sides];
  if constexpr (HasHalfScales(f)) {
    // |sum of 16| <= 2^16 times a scale of 8 bits: exact in f32, and so is the sum of the halves.
    HalfDots<f, 0, 2>(sums, block, in);
#pragma GCC unroll 8
    for (int t = 0; t < rows; ++t)
#pragma GCC unroll 2
      for (int side = 0; side < sides; ++side)
        dots[t][side] = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[t][side]), block.SubScale(0, side));
    HalfDots<f, 1, 4>(sums, block, in);
#pragma GCC unroll 8
    for (int t = 0; t < rows; ++t)
#pragma GCC unroll 2
      for (int side = 0; side < sides; ++side)
        dots[t][side] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[t][side]), block.SubScale(1, side),
                                        dots[t][side]);
  } else {
    HalfDots<f, 0, 0>(sums, block, in);
    AddStep<4>(sums, block, in);
    AddStep<5>(sums, block, in);
    AddStep<6>(sums, block, in);
    AddStep<7>(sums, block, in);
#pragma GCC unroll 8
    for (int t = 0; t < rows; ++t)
#pragma GCC unroll 2
      for (int side = 0; side < sides; ++side) dots[t][side] = _mm512_cvtepi32_ps(sums[t][side]);
  }
  const size_t blocks = in.cols / 32;
#pragma GCC unroll 8
  for (int t = 0; t < rows; ++t) {
    const __m512 x_scale = _mm512_set1_ps(in.scales[t * blocks]);
    const __m512 x_sum = _mm512_set1_ps(in.sums[t * blocks]);
    [[maybe_unused]] const int16_t* pair_sums = in.pair_sums + t * (in.cols / 4);
#pragma GCC unroll 2
    for (int side = 0; side < sides; ++side) {
      const __m512 scale = _mm512_mul_ps(block.Scale(side), x_scale);
      acc[t][side] = _mm512_fmadd_ps(dots[t][side], scale, acc[t][side]);
      if constexpr (HasMin(f)) acc[t][side] = _mm512_fmadd_ps(block.Min(side), x_sum, acc[t][side]);
      if constexpr (HasHalfMins(f))
        acc[t][side] = _mm512_fmadd_ps(HalfMinsDot(block, side, pair_sums),
                                       _mm512_mul_ps(block.Min(side), x_scale), acc[t][side]);
    }
  }
}

// Operations with one 32-bit value of memory in every lane. In assembler, because the compiler
// would broadcast each value once for all of its uses, which are more than there are registers.
#ifdef INFE_EMULATE_AVX512
inline __m512i BroadcastAlone(const void* p) {
  return Broadcast32(p);
}
inline void AddProducts(__m512i& sum, __m512i codes, const int8_t* x) {
  sum = _mm512_dpbusd_epi32(sum, codes, Broadcast32(x));
}
inline __m512 TimesOne(__m512 v, const float* p) {
  return _mm512_mul_ps(v, _mm512_set1_ps(*p));
}
inline void AddTimesOne(__m512& sum, __m512 v, const float* p) {
  sum = _mm512_fmadd_ps(v, _mm512_set1_ps(*p), sum);
}
#else
using Word = int32_t __attribute__((may_alias, aligned(1)));
inline __m512i BroadcastAlone(const void* p) {
  __m512i out;
  asm volatile("vpbroadcastd %1, %0" : "=v"(out) : "m"(*static_cast<const Word*>(p)));
  return out;
}
// sum += codes times the four values at x.
inline void AddProducts(__m512i& sum, __m512i codes, const int8_t* x) {
  asm("vpdpbusd %2%{1to16%}, %1, %0"
      : "+v"(sum)
      : "v"(codes), "m"(*reinterpret_cast<const Word*>(x)));
}
inline __m512 TimesOne(__m512 v, const float* p) {
  __m512 out;
  asm volatile("vmulps %2%{1to16%}, %1, %0" : "=v"(out) : "v"(v), "m"(*p));
  return out;
}
inline void AddTimesOne(__m512& sum, __m512 v, const float* p) {
  asm("vfmadd231ps %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(v), "m"(*p));
}
#endif

// StartOfSum, loaded for this use alone.
template <PanelFormat f>
inline __m512i StartOfSumAlone([[maybe_unused]] const int16_t* pair_sums) {
  if constexpr (kOffset<f> == 0) return _mm512_setzero_si512();
  return _mm512_madd_epi16(BroadcastAlone(pair_sums), _mm512_set1_epi16(kOffset<f>));
}

// The sum over steps [first, first + count) of one row, whose values start at x. Two chains, for
// the latency of vpdpbusd.
template <int first, int count>
inline __m512i Dot(__m512i start, const __m512i (&codes)[8], const int8_t* x) {
  __m512i even = start;
  __m512i odd = _mm512_setzero_si512();
#pragma GCC unroll 8
  for (int k = first; k < first + count; k += 2) {
    AddProducts(even, codes[k], x + 4 * k);
    AddProducts(odd, codes[k + 1], x + 4 * k + 4);
  }
  return _mm512_add_epi32(even, odd);
}

// AddBlock for more rows than it has registers for: the 8 vectors of a side's codes stay in
// registers and serve one row after the other. The same bits.
template <PanelFormat f, int rows, int sides, class Block>
inline void AddBlockByRow(__m512 (&acc)[rows][sides], const Block& block, const Rows& in) {
  const size_t blocks = in.cols / 32;
#pragma GCC unroll 2
  for (int side = 0; side < sides; ++side) {
    __m512i codes[8] = {block.template Get<0>(side), block.template Get<1>(side),
                        block.template Get<2>(side), block.template Get<3>(side),
                        block.template Get<4>(side), block.template Get<5>(side),
                        block.template Get<6>(side), block.template Get<7>(side)};
    const __m512 w_scale = block.Scale(side);
    [[maybe_unused]] __m512 w_min, sub_scales[2];
    if constexpr (HasMin(f) || HasHalfMins(f)) w_min = block.Min(side);
    if constexpr (HasHalfScales(f)) {
      sub_scales[0] = block.SubScale(0, side);
      sub_scales[1] = block.SubScale(1, side);
    }
#pragma GCC unroll 8
    for (int t = 0; t < rows; ++t) {
      const int8_t* x = in.values + t * in.cols;
      const int16_t* pair_sums = in.pair_sums + t * (in.cols / 4);
      __m512 dot;
      if constexpr (HasHalfScales(f)) {
        // |sum of 16| <= 2^16 times a scale of 8 bits: exact in f32, and so is the sum of halves.
        const __m512i low = Dot<0, 4>(StartOfSumAlone<f>(pair_sums + 2), codes, x);
        const __m512i high = Dot<4, 4>(StartOfSumAlone<f>(pair_sums + 4), codes, x);
        dot = _mm512_fmadd_ps(_mm512_cvtepi32_ps(high), sub_scales[1],
                              _mm512_mul_ps(_mm512_cvtepi32_ps(low), sub_scales[0]));
      } else {
        dot = _mm512_cvtepi32_ps(Dot<0, 8>(StartOfSumAlone<f>(pair_sums), codes, x));
      }
      const __m512 scale = TimesOne(w_scale, in.scales + t * blocks);
      acc[t][side] = _mm512_fmadd_ps(dot, scale, acc[t][side]);
      if constexpr (HasMin(f)) AddTimesOne(acc[t][side], w_min, in.sums + t * blocks);
      if constexpr (HasHalfMins(f))
        acc[t][side] = _mm512_fmadd_ps(HalfMinsDot(block, side, pair_sums),
                                       TimesOne(w_min, in.scales + t * blocks), acc[t][side]);
    }
  }
}

// out[t][16 * sides], carried on from `out` unless fresh, over `blocks` blocks of `source(b)`.
template <PanelFormat f, int rows, int sides, bool by_row, class Source>
inline void Tile(Source source, Rows in, uint32_t blocks, float* out, size_t out_stride,
                 bool fresh) {
  __m512 acc[rows][sides];
#pragma GCC unroll 8
  for (int t = 0; t < rows; ++t)
#pragma GCC unroll 2
    for (int side = 0; side < sides; ++side)
      acc[t][side] =
          fresh ? _mm512_setzero_ps() : _mm512_loadu_ps(out + t * out_stride + kLanes * side);
  for (uint32_t b = 0; b < blocks; ++b) {
    if constexpr (by_row)
      AddBlockByRow<f>(acc, source(b), in.Block(b));
    else
      AddBlock<f>(acc, source(b), in.Block(b));
  }
#pragma GCC unroll 8
  for (int t = 0; t < rows; ++t)
#pragma GCC unroll 2
    for (int side = 0; side < sides; ++side)
      _mm512_storeu_ps(out + t * out_stride + kLanes * side, acc[t][side]);
}

// Up to 8 rows times `sides` panels of a stripe from `first` on, unpacked in registers: one linear
// read, fetched ahead.
template <PanelFormat f, int rows, int sides>
void FewRows(const uint8_t* stripe, uint32_t first, Rows in, float* out, size_t out_stride) {
  constexpr uint32_t kAhead = 4096;
  Cursor<f> cursor(stripe);
  bool started = false;
  Tile<f, rows, sides, (rows > 4)>(
      [&](uint32_t) {
        if (started) cursor.Next();
        started = true;
        for (uint32_t line = 0; line < SubRecordBytes(f); line += 64)
          _mm_prefetch(reinterpret_cast<const char*>(cursor.sub_record + kAhead + line),
                       _MM_HINT_T0);
        return PackedBlock<f>{cursor.record, cursor.sub_record, first};
      },
      in, static_cast<uint32_t>(in.cols / 32), out, out_stride, true);
}

// What the next chunk will read, fetched meanwhile: so many bytes with each block. Nothing where
// `next` is null.
struct Ahead {
  const uint8_t* next;
  uint32_t block_bytes;
};

// f: a ChunkFormat.
template <PanelFormat f, int rows>
void ChunkTile(const Chunk& chunk, Rows in, uint32_t blocks, Ahead ahead, float* out,
               size_t out_stride, bool fresh) {
  Tile<f, rows, 2, false>(
      [&](uint32_t b) {
        if (ahead.next != nullptr)
          for (uint32_t line = 0; line < ahead.block_bytes; line += 64)
            _mm_prefetch(
                reinterpret_cast<const char*>(ahead.next + size_t{b} * ahead.block_bytes + line),
                _MM_HINT_T1);
        return UnpackedBlock<f>{chunk, b};
      },
      in, blocks, out, out_stride, fresh);
}

}  // namespace
}  // namespace infe::kernels::INFE_AVX512_NAMESPACE

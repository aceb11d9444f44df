// Several activation rows times a stripe. The stripe is unpacked once per chunk of columns into
// bytes that fit the first-level cache, then swept by tiles of up to 6 rows x 16 outputs. The
// integers are those of gemv.h and the f32 operations are the same in the same order, so a row's
// bits do not depend on how many rows there are. Included by avx2/*.cc only.
//
// Arithmetic per tile step (6 rows, 16 outputs, 4 columns): 12 maddubs, 12 adds, 6 broadcasts and 2
// loads for 384 multiply-adds; 12 sums of 16 bits, 2 weights and 1 broadcast fill the registers, so
// the f32 sums live in the first-level cache.
#pragma once

#include "kernels/avx2/gemv.h"
#include "kernels/avx2/panel_codes.h"

namespace infe::kernels::avx2 {
namespace {

// Columns in a chunk / 32: 32 KiB of codes, half of which one sweep uses.
constexpr uint32_t kChunkBlocks = 32;

// A chunk of a stripe, unpacked: pairs of panels (16 outputs), block by block.
struct Chunk {
  alignas(64) uint8_t codes[2][kChunkBlocks][8][2][32];
  alignas(64) float scales[2][kChunkBlocks][2][8];
  alignas(64) float mins[2][kChunkBlocks][2][8];
  alignas(64) int32_t
      sub_scales[2][kChunkBlocks][2][2][8];  // of halves, as HalfScale gives them: [half][panel]
  alignas(64) int32_t sub_mins[2][kChunkBlocks][2][2][8];
};

template <PanelFormat f, int k>
inline void UnpackStep(const uint8_t* panel, uint8_t (*out)[2][32], uint32_t side) {
  _mm256_store_si256(reinterpret_cast<__m256i*>(out[k][side]), Codes<f, k>(panel));
}

template <PanelFormat f>
inline void UnpackChunk(Cursor<f>& cursor, uint32_t blocks, Chunk& chunk) {
  for (uint32_t b = 0; b < blocks; ++b) {
    for (uint32_t p = 0; p < kPanels; ++p) {
      const uint32_t pair = p / 2;
      const uint32_t side = p % 2;
      const uint8_t* panel = cursor.sub_record + SubHeaderBytes(f) + p * kPanelBytes<f>;
      auto* codes = chunk.codes[pair][b];
      UnpackStep<f, 0>(panel, codes, side);
      UnpackStep<f, 1>(panel, codes, side);
      UnpackStep<f, 2>(panel, codes, side);
      UnpackStep<f, 3>(panel, codes, side);
      UnpackStep<f, 4>(panel, codes, side);
      UnpackStep<f, 5>(panel, codes, side);
      UnpackStep<f, 6>(panel, codes, side);
      UnpackStep<f, 7>(panel, codes, side);
      _mm256_store_ps(chunk.scales[pair][b][side], ScaleOf<f>(cursor.record, cursor.sub_record, p));
      if constexpr (HasMin(f) || HasHalfMins(f))
        _mm256_store_ps(chunk.mins[pair][b][side], MinOf<f>(cursor.record, cursor.sub_record, p));
      if constexpr (HasHalfScales(f)) {
        for (int half = 0; half < 2; ++half) {
          _mm256_store_si256(reinterpret_cast<__m256i*>(chunk.sub_scales[pair][b][half][side]),
                             HalfScale<f>(cursor.sub_record, half, p));
          if constexpr (HasHalfMins(f))
            _mm256_store_si256(reinterpret_cast<__m256i*>(chunk.sub_mins[pair][b][half][side]),
                               HalfMin(cursor.sub_record, half, p));
        }
      }
    }
    cursor.Next();
  }
}

// Where a tile's 32 columns x 16 outputs come from: a block of a chunk ...
template <PanelFormat f>
struct UnpackedBlock {
  const Chunk& chunk;
  uint32_t pair;
  uint32_t b;
  template <int k>
  inline __m256i Codes(int side) const {
    return Load(chunk.codes[pair][b][k][side]);
  }
  inline __m256 Scale(int side) const { return _mm256_load_ps(chunk.scales[pair][b][side]); }
  inline __m256 Min(int side) const { return _mm256_load_ps(chunk.mins[pair][b][side]); }
  inline __m256i SubScale(int half, int side) const {
    return Load(chunk.sub_scales[pair][b][half][side]);
  }
  inline __m256i SubMin(int half, int side) const {
    return Load(chunk.sub_mins[pair][b][half][side]);
  }
};

// ... or the packed panels themselves, unpacked in registers.
template <PanelFormat f>
struct PackedBlock {
  const uint8_t* record;
  const uint8_t* sub_record;
  uint32_t pair;
  template <int k>
  inline __m256i Codes(int side) const {
    return avx2::Codes<f, k>(sub_record + SubHeaderBytes(f) + (2 * pair + side) * kPanelBytes<f>);
  }
  inline __m256 Scale(int side) const { return ScaleOf<f>(record, sub_record, 2 * pair + side); }
  inline __m256 Min(int side) const { return MinOf<f>(record, sub_record, 2 * pair + side); }
  inline __m256i SubScale(int half, int side) const {
    return HalfScale<f>(sub_record, half, 2 * pair + side);
  }
  inline __m256i SubMin(int half, int side) const {
    return HalfMin(sub_record, half, 2 * pair + side);
  }
};

// The rows of a tile, at the first column of a block: row t at values + t * cols, and so on.
struct TileRows {
  RowPointers x;
  size_t cols;
  inline TileRows Row(uint32_t t) const {
    const size_t at = size_t{t} * cols;
    return {{x.values + at, x.scales + at / 32, x.sums + at / 32, x.pair_sums + at / 4}, cols};
  }
  inline TileRows Block(uint32_t b) const {
    return {{x.values + size_t{b} * 32, x.scales + b, x.sums + b, x.pair_sums + size_t{b} * 8},
            cols};
  }
};

// acc[t][side] = fma(dot, scale * x_scale, acc), then the minimum's term. acc: [rows][acc_stride].
template <PanelFormat f, int rows, class Block>
inline void AddBlock(const __m256i (&dots)[rows][2], const Block& block, const TileRows& in,
                     float* acc, uint32_t acc_stride) {
  const size_t blocks = in.cols / 32;
  const __m256 scales[2] = {block.Scale(0), block.Scale(1)};
  __m256 mins[2];
  if constexpr (HasMin(f) || HasHalfMins(f)) {
    mins[0] = block.Min(0);
    mins[1] = block.Min(1);
  }
#pragma GCC unroll 6
  for (int t = 0; t < rows; ++t) {
    const __m256 x_scale = _mm256_broadcast_ss(in.x.scales + t * blocks);
#pragma GCC unroll 2
    for (int side = 0; side < 2; ++side) {
      float* at = acc + acc_stride * t + 8 * side;
      const __m256 scale = _mm256_mul_ps(scales[side], x_scale);
      __m256 sum = _mm256_fmadd_ps(DotToFloat<f>(dots[t][side]), scale, _mm256_load_ps(at));
      if constexpr (HasMin(f))
        sum = _mm256_fmadd_ps(mins[side], _mm256_broadcast_ss(in.x.sums + t * blocks), sum);
      if constexpr (HasHalfMins(f)) {
        const __m256i dot = HalfMinsDot(in.x.pair_sums + t * (in.cols / 4), block.SubMin(0, side),
                                        block.SubMin(1, side));
        sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), _mm256_mul_ps(mins[side], x_scale), sum);
      }
      _mm256_store_ps(at, sum);
    }
  }
}

// sums[t][side] += codes of step k times columns 4 k .. of row t, in 16 bits.
template <int k, int rows, class Block>
inline void AddTileStep(__m256i (&sums)[rows][2], const Block& block, const TileRows& in) {
  const __m256i w0 = block.template Codes<k>(0);
  const __m256i w1 = block.template Codes<k>(1);
#pragma GCC unroll 6
  for (int t = 0; t < rows; ++t) {
    const __m256i v = Broadcast32(in.x.values + t * in.cols + 4 * k);
    sums[t][0] = _mm256_add_epi16(sums[t][0], _mm256_maddubs_epi16(w0, v));
    sums[t][1] = _mm256_add_epi16(sums[t][1], _mm256_maddubs_epi16(w1, v));
    Pin(sums[t][0]);
    Pin(sums[t][1]);
  }
}

// The same for signed codes, in 32 bits (gemv.h, AddSignedStep).
template <PanelFormat f, int k, int rows, class Block>
inline void AddSignedTileStep(__m256i (&sums)[rows][2], const Block& block, const TileRows& in) {
  __m256i factor0 = _mm256_set1_epi16(1);
  __m256i factor1 = factor0;
  if constexpr (HasHalfScales(f)) {
    factor0 = block.SubScale(k / 4, 0);
    factor1 = block.SubScale(k / 4, 1);
  }
  const __m256i w0 = block.template Codes<k>(0);
  const __m256i w1 = block.template Codes<k>(1);
  const __m256i a0 = _mm256_abs_epi8(w0);
  const __m256i a1 = _mm256_abs_epi8(w1);
#pragma GCC unroll 6
  for (int t = 0; t < rows; ++t) {
    const __m256i v = Broadcast32(in.x.values + t * in.cols + 4 * k);
    const __m256i p0 = _mm256_maddubs_epi16(a0, _mm256_sign_epi8(v, w0));
    const __m256i p1 = _mm256_maddubs_epi16(a1, _mm256_sign_epi8(v, w1));
    sums[t][0] = _mm256_add_epi32(sums[t][0], _mm256_madd_epi16(p0, factor0));
    sums[t][1] = _mm256_add_epi32(sums[t][1], _mm256_madd_epi16(p1, factor1));
    Pin(sums[t][0]);
    Pin(sums[t][1]);
  }
}

// One half (16 columns) of a block: 16-bit sums.
template <PanelFormat f, int half, int rows, class Block>
inline void HalfSums(__m256i (&sums)[rows][2], const Block& block, const TileRows& in) {
  const size_t stride = in.cols / 4;
#pragma GCC unroll 6
  for (int t = 0; t < rows; ++t)
    sums[t][0] = sums[t][1] = StartOfHalf<f>(in.x.pair_sums + t * stride, half);
  AddTileStep<4 * half, rows>(sums, block, in);
  AddTileStep<4 * half + 1, rows>(sums, block, in);
  AddTileStep<4 * half + 2, rows>(sums, block, in);
  AddTileStep<4 * half + 3, rows>(sums, block, in);
}

// Both halves, each times its scales.
template <PanelFormat f, int rows, class Block>
inline void HalvesDots(__m256i (&sums)[rows][2], const Block& block, const TileRows& in) {
  __m256i first[rows][2];
  HalfSums<f, 0, rows>(first, block, in);
  const __m256i low0 = block.SubScale(0, 0);
  const __m256i low1 = block.SubScale(0, 1);
#pragma GCC unroll 6
  for (int t = 0; t < rows; ++t) {
    first[t][0] = ScaleHalf<f>(first[t][0], low0);
    first[t][1] = ScaleHalf<f>(first[t][1], low1);
  }
  HalfSums<f, 1, rows>(sums, block, in);
  const __m256i high0 = block.SubScale(1, 0);
  const __m256i high1 = block.SubScale(1, 1);
#pragma GCC unroll 6
  for (int t = 0; t < rows; ++t) {
    sums[t][0] = AddScaledHalf<f>(first[t][0], sums[t][0], high0);
    sums[t][1] = AddScaledHalf<f>(first[t][1], sums[t][1], high1);
  }
}

template <PanelFormat f, int rows, class Block>
inline void BlockDots(const Block& block, const TileRows& in, __m256i (&sums)[rows][2]) {
  if constexpr (HasSignedCodes(f)) {
    for (auto& s : sums) s[0] = s[1] = _mm256_setzero_si256();
    AddSignedTileStep<f, 0, rows>(sums, block, in);
    AddSignedTileStep<f, 1, rows>(sums, block, in);
    AddSignedTileStep<f, 2, rows>(sums, block, in);
    AddSignedTileStep<f, 3, rows>(sums, block, in);
    AddSignedTileStep<f, 4, rows>(sums, block, in);
    AddSignedTileStep<f, 5, rows>(sums, block, in);
    AddSignedTileStep<f, 6, rows>(sums, block, in);
    AddSignedTileStep<f, 7, rows>(sums, block, in);
  } else if constexpr (HasHalfScales(f)) {
    HalvesDots<f, rows>(sums, block, in);
  } else {
    const size_t stride = in.cols / 4;
#pragma GCC unroll 6
    for (int t = 0; t < rows; ++t)
      sums[t][0] = sums[t][1] = StartOfBlock<f>(in.x.pair_sums + t * stride);
    AddTileStep<0, rows>(sums, block, in);
    AddTileStep<1, rows>(sums, block, in);
    AddTileStep<2, rows>(sums, block, in);
    AddTileStep<3, rows>(sums, block, in);
    AddTileStep<4, rows>(sums, block, in);
    AddTileStep<5, rows>(sums, block, in);
    AddTileStep<6, rows>(sums, block, in);
    AddTileStep<7, rows>(sums, block, in);
    const __m256i ones = _mm256_set1_epi16(1);
#pragma GCC unroll 6
    for (int t = 0; t < rows; ++t) {
      sums[t][0] = _mm256_madd_epi16(sums[t][0], ones);
      sums[t][1] = _mm256_madd_epi16(sums[t][1], ones);
      if constexpr (kUncentre<f>) {
        const __m256i centre = CentreOfBlock(in.x.pair_sums + t * stride);
        sums[t][0] = _mm256_sub_epi32(sums[t][0], centre);
        sums[t][1] = _mm256_sub_epi32(sums[t][1], centre);
      }
    }
  }
}

// What the next chunk will read, fetched meanwhile so that reading from memory and computing
// overlap: so many bytes with each block. Nothing where `next` is null.
struct Ahead {
  const uint8_t* next;
  uint32_t block_bytes;
};

// One tile over a chunk: out[t][16], carried from chunk to chunk unless `fresh`. f: a ChunkFormat.
template <PanelFormat f, int rows>
void Tile(const Chunk& chunk, uint32_t pair, uint32_t blocks, TileRows in, Ahead ahead, float* out,
          size_t out_stride, bool fresh) {
  alignas(32) float acc[rows * 16];
  for (int t = 0; t < rows; ++t) {
    for (int side = 0; side < 2; ++side) {
      const __m256 start =
          fresh ? _mm256_setzero_ps() : _mm256_loadu_ps(out + t * out_stride + 8 * side);
      _mm256_store_ps(acc + 16 * t + 8 * side, start);
    }
  }
  for (uint32_t b = 0; b < blocks; ++b) {
    if (ahead.next != nullptr) {
      for (uint32_t line = 0; line < ahead.block_bytes; line += 64)
        _mm_prefetch(reinterpret_cast<const char*>(ahead.next + line), _MM_HINT_T1);
      ahead.next += ahead.block_bytes;
    }
    __m256i dots[rows][2];
    const UnpackedBlock<f> block = {chunk, pair, b};
    const TileRows at = in.Block(b);
    BlockDots<f, rows>(block, at, dots);
    AddBlock<f, rows>(dots, block, at, acc, 16);
  }
  for (int t = 0; t < rows; ++t)
    for (int side = 0; side < 2; ++side)
      _mm256_storeu_ps(out + t * out_stride + 8 * side, _mm256_load_ps(acc + 16 * t + 8 * side));
}

// A few rows times a whole stripe, unpacked in registers: every panel serves all rows once, the
// stripe is one linear stream as in gemv.h.
template <PanelFormat f, int rows>
void FewRows(const uint8_t* stripe, TileRows in, uint32_t blocks, float* out, size_t out_stride) {
  constexpr uint32_t kAhead = 4096;
  alignas(32) float acc[rows][kPanelStripeRows];
  for (auto& row : acc)
    for (uint32_t i = 0; i < kPanelStripeRows; i += 8)
      _mm256_store_ps(row + i, _mm256_setzero_ps());
  Cursor<f> cursor(stripe);
  for (uint32_t b = 0; b < blocks; ++b) {
    for (uint32_t line = 0; line < SubRecordBytes(f); line += 64)
      _mm_prefetch(reinterpret_cast<const char*>(cursor.sub_record + kAhead + line), _MM_HINT_T0);
    const TileRows at = in.Block(b);
    for (uint32_t pair = 0; pair < 2; ++pair) {
      const PackedBlock<f> block = {cursor.record, cursor.sub_record, pair};
      __m256i dots[rows][2];
      BlockDots<f, rows>(block, at, dots);
      AddBlock<f, rows>(dots, block, at, acc[0] + 16 * pair, kPanelStripeRows);
    }
    cursor.Next();
  }
  for (int t = 0; t < rows; ++t)
    for (uint32_t i = 0; i < kPanelStripeRows; i += 8)
      _mm256_storeu_ps(out + t * out_stride + i, _mm256_load_ps(acc[t] + i));
}

// Signed products need two more registers a step: their tiles are smaller.
template <PanelFormat f>
constexpr uint32_t kTileRows = HasSignedCodes(f) ? 4 : 6;

template <PanelFormat f>
inline void TileOf(uint32_t rows, const Chunk& chunk, uint32_t pair, uint32_t blocks, TileRows in,
                   Ahead ahead, float* out, size_t out_stride, bool fresh) {
  switch (rows) {
    case 1:
      return Tile<f, 1>(chunk, pair, blocks, in, ahead, out, out_stride, fresh);
    case 2:
      return Tile<f, 2>(chunk, pair, blocks, in, ahead, out, out_stride, fresh);
    case 3:
      return Tile<f, 3>(chunk, pair, blocks, in, ahead, out, out_stride, fresh);
    case 4:
      return Tile<f, 4>(chunk, pair, blocks, in, ahead, out, out_stride, fresh);
    case 5:
      if constexpr (kTileRows<f> > 4)
        Tile<f, 5>(chunk, pair, blocks, in, ahead, out, out_stride, fresh);
      return;
    case 6:
      if constexpr (kTileRows<f> > 4)
        Tile<f, 6>(chunk, pair, blocks, in, ahead, out, out_stride, fresh);
      return;
  }
}

// Up to how many rows GemmFew is the faster way. Signed codes need no unpacking, so that their
// chunks gain less; what has to be looked up is looked up once.
template <PanelFormat f>
constexpr uint32_t kFewRows = HasEntries(f)       ? 1
                              : HasSignedCodes(f) ? 8
                                                  : 4;

// 1 to kFewRows rows: passes of at most 4 over the stripe, which after the first comes from a
// cache.
template <PanelFormat f>
inline void GemmFew(const uint8_t* stripe, RowPointers x, uint32_t rows, uint32_t cols, float* out,
                    size_t out_stride) {
  const uint32_t passes = (rows + 3) / 4;
  uint32_t m = 0;
  for (uint32_t pass = 0; pass < passes; ++pass) {
    const uint32_t end = rows * (pass + 1) / passes;
    const TileRows in = TileRows{x, cols}.Row(m);
    float* at = out + m * out_stride;
    switch (end - m) {
      case 1:
        Gemv<f, kPanels>(stripe, 0, in.x, cols / 32, at);
        break;
      case 2:
        if constexpr (kFewRows<f> > 1) FewRows<f, 2>(stripe, in, cols / 32, at, out_stride);
        break;
      case 3:
        if constexpr (kFewRows<f> > 1) FewRows<f, 3>(stripe, in, cols / 32, at, out_stride);
        break;
      case 4:
        if constexpr (kFewRows<f> > 1) FewRows<f, 4>(stripe, in, cols / 32, at, out_stride);
        break;
    }
    m = end;
  }
}

// out[m][32] for `rows` activation rows.
template <PanelFormat f>
inline void Gemm(const uint8_t* stripe, RowPointers x, uint32_t rows, uint32_t cols, float* out,
                 size_t out_stride) {
  const uint32_t blocks = cols / 32;
  Chunk chunk;
  Cursor<f> cursor(stripe);
  const uint32_t tiles = (rows + kTileRows<f> - 1) / kTileRows<f>;
  for (uint32_t first = 0; first < blocks; first += kChunkBlocks) {
    const uint32_t count = blocks - first < kChunkBlocks ? blocks - first : kChunkBlocks;
    UnpackChunk<f>(cursor, count, chunk);
    for (uint32_t pair = 0; pair < 2; ++pair) {
      uint32_t m = 0;
      for (uint32_t tile = 0; tile < tiles; ++tile) {
        const uint32_t end = rows * (tile + 1) / tiles;
        const TileRows in = TileRows{x, cols}.Row(m).Block(first);
        // The record after this chunk, or after this stripe the next one's first.
        constexpr uint32_t kBytes = SubRecordBytes(f) / 2;
        const Ahead ahead = {tile == 0 ? cursor.record + pair * count * kBytes : nullptr, kBytes};
        TileOf<ChunkFormat(f)>(end - m, chunk, pair, count, in, ahead,
                               out + m * out_stride + 16 * pair, out_stride, first == 0);
        m = end;
      }
    }
  }
}

}  // namespace
}  // namespace infe::kernels::avx2

// Several activation rows times a stripe. The stripe is unpacked once per chunk of columns into
// bytes that fit the first-level cache, then swept by tiles of up to 6 rows x 16 outputs. The
// integers are those of gemv.h and the f32 operations are the same in the same order, so a row's
// bits do not depend on how many rows there are. Included by avx2/*.cc only.
//
// Arithmetic per tile step (6 rows, 16 outputs, 4 columns): 12 maddubs, 12 adds, 6 broadcasts and 2
// loads for 384 multiply-adds; 12 sums of 16 bits, 2 weights and 1 broadcast fill the registers, so
// the f32 sums live in the first-level cache.
#pragma once

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
  alignas(64) int32_t sub_scales[2][kChunkBlocks][2][2][8];  // Q6_K: [half][panel]
};

template <PanelFormat f, int k>
inline void UnpackStep(const uint8_t* panel, uint8_t (*out)[2][32], uint32_t side) {
  _mm256_store_si256(reinterpret_cast<__m256i*>(out[k][side]), Codes<f, k>(panel));
}

// A position in a stripe's stream of records.
template <PanelFormat f>
struct Cursor {
  const uint8_t* record;
  const uint8_t* sub_record;
  uint32_t sub = 0;
  explicit Cursor(const uint8_t* stripe)
      : record(stripe), sub_record(stripe + RecordHeaderBytes(f)) {}
  inline void Next() {
    sub_record += SubRecordBytes(f);
    if (!f.is_super || ++sub == 8) {
      sub = 0;
      record = sub_record;
      sub_record += RecordHeaderBytes(f);
    }
  }
};

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
      if constexpr (f.has_min)
        _mm256_store_ps(chunk.mins[pair][b][side], MinOf<f>(cursor.record, cursor.sub_record, p));
      if constexpr (f.code_bits == 6) {
        for (uint32_t half = 0; half < 2; ++half)
          _mm256_store_si256(reinterpret_cast<__m256i*>(chunk.sub_scales[pair][b][half][side]),
                             BytesToPairs(cursor.sub_record + 32 * half + kLanes * p));
      }
    }
    cursor.Next();
  }
}

// The rows of a tile: row t at values + t * cols, its blocks at t * cols / 32.
struct TileRows {
  RowPointers x;  // of the first row, at the chunk's first column
  size_t cols;
};

// acc[t][side] = fma(dot, scale * x_scale, acc), then the minimum's term.
template <PanelFormat f, int rows>
inline void AddBlock(__m256i (&dots)[rows][2], const Chunk& chunk, uint32_t pair, uint32_t b,
                     const TileRows& in, float* acc) {
  const size_t blocks = in.cols / 32;
#pragma GCC unroll 6
  for (int t = 0; t < rows; ++t) {
    const __m256 x_scale = _mm256_broadcast_ss(in.x.scales + t * blocks + b);
#pragma GCC unroll 2
    for (int side = 0; side < 2; ++side) {
      float* at = acc + 16 * t + 8 * side;
      const __m256 scale = _mm256_mul_ps(_mm256_load_ps(chunk.scales[pair][b][side]), x_scale);
      __m256 sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots[t][side]), scale, _mm256_load_ps(at));
      if constexpr (f.has_min)
        sum = _mm256_fmadd_ps(_mm256_load_ps(chunk.mins[pair][b][side]),
                              _mm256_broadcast_ss(in.x.sums + t * blocks + b), sum);
      _mm256_store_ps(at, sum);
    }
  }
}

template <int rows>
inline void AddSteps(__m256i (&sums)[rows][2], const uint8_t (*codes)[2][32], const int8_t* x,
                     size_t stride, int first, int last) {
#pragma GCC unroll 8
  for (int k = first; k < last; ++k) {
    const __m256i w0 = _mm256_load_si256(reinterpret_cast<const __m256i*>(codes[k][0]));
    const __m256i w1 = _mm256_load_si256(reinterpret_cast<const __m256i*>(codes[k][1]));
#pragma GCC unroll 6
    for (int t = 0; t < rows; ++t) {
      const __m256i v = Broadcast32(x + t * stride + 4 * k);
      sums[t][0] = _mm256_add_epi16(sums[t][0], _mm256_maddubs_epi16(w0, v));
      sums[t][1] = _mm256_add_epi16(sums[t][1], _mm256_maddubs_epi16(w1, v));
      Pin(sums[t][0]);
      Pin(sums[t][1]);
    }
  }
}

template <PanelFormat f, int rows>
inline void BlockDots(const Chunk& chunk, uint32_t pair, uint32_t b, const TileRows& in,
                      __m256i (&sums)[rows][2]) {
  const int8_t* x = in.x.values + size_t{b} * 32;
  const int16_t* pair_sums = in.x.pair_sums + size_t{b} * 8;
  const size_t pair_stride = in.cols / 4;
  const auto* codes = chunk.codes[pair][b];
  const __m256i ones = _mm256_set1_epi16(1);
  if constexpr (f.code_bits == 8) {
    for (auto& s : sums) s[0] = s[1] = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (int k = 0; k < 8; ++k) {
      const __m256i w0 = _mm256_load_si256(reinterpret_cast<const __m256i*>(codes[k][0]));
      const __m256i w1 = _mm256_load_si256(reinterpret_cast<const __m256i*>(codes[k][1]));
      const __m256i a0 = _mm256_abs_epi8(w0);
      const __m256i a1 = _mm256_abs_epi8(w1);
#pragma GCC unroll 6
      for (int t = 0; t < rows; ++t) {
        const __m256i v = Broadcast32(x + t * in.cols + 4 * k);
        const __m256i p0 = _mm256_maddubs_epi16(a0, _mm256_sign_epi8(v, w0));
        const __m256i p1 = _mm256_maddubs_epi16(a1, _mm256_sign_epi8(v, w1));
        sums[t][0] = _mm256_add_epi32(sums[t][0], _mm256_madd_epi16(p0, ones));
        sums[t][1] = _mm256_add_epi32(sums[t][1], _mm256_madd_epi16(p1, ones));
        Pin(sums[t][0]);
        Pin(sums[t][1]);
      }
    }
  } else if constexpr (f.code_bits == 6) {
    __m256i first[rows][2];
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
#pragma GCC unroll 6
      for (int t = 0; t < rows; ++t)
        sums[t][0] = sums[t][1] =
            _mm256_slli_epi16(Broadcast32(pair_sums + t * pair_stride + 2 + 2 * half), 5);
      AddSteps<rows>(sums, codes, x, in.cols, 4 * half, 4 * half + 4);
#pragma GCC unroll 6
      for (int t = 0; t < rows; ++t) {
        for (int side = 0; side < 2; ++side) {
          const __m256i scaled =
              _mm256_madd_epi16(sums[t][side], Load(chunk.sub_scales[pair][b][half][side]));
          if (half == 0)
            first[t][side] = scaled;
          else
            sums[t][side] = _mm256_add_epi32(first[t][side], scaled);
        }
      }
    }
  } else {
#pragma GCC unroll 6
    for (int t = 0; t < rows; ++t)
      sums[t][0] = sums[t][1] = StartOfBlock<f>(pair_sums + t * pair_stride);
    AddSteps<rows>(sums, codes, x, in.cols, 0, 8);
#pragma GCC unroll 6
    for (int t = 0; t < rows; ++t) {
      sums[t][0] = _mm256_madd_epi16(sums[t][0], ones);
      sums[t][1] = _mm256_madd_epi16(sums[t][1], ones);
      if constexpr (kUncentre<f>) {
        const __m256i centre = CentreOfBlock(pair_sums + t * pair_stride);
        sums[t][0] = _mm256_sub_epi32(sums[t][0], centre);
        sums[t][1] = _mm256_sub_epi32(sums[t][1], centre);
      }
    }
  }
}

// One tile over a chunk: out[t][16], carried from chunk to chunk unless `fresh`.
template <PanelFormat f, int rows>
void Tile(const Chunk& chunk, uint32_t pair, uint32_t blocks, TileRows in, float* out,
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
    __m256i dots[rows][2];
    BlockDots<f, rows>(chunk, pair, b, in, dots);
    AddBlock<f, rows>(dots, chunk, pair, b, in, acc);
  }
  for (int t = 0; t < rows; ++t)
    for (int side = 0; side < 2; ++side)
      _mm256_storeu_ps(out + t * out_stride + 8 * side, _mm256_load_ps(acc + 16 * t + 8 * side));
}

// Signed products need two more registers a step: their tiles are smaller.
template <PanelFormat f>
constexpr uint32_t kTileRows = f.code_bits == 8 ? 4 : 6;

template <PanelFormat f>
inline void TileOf(uint32_t rows, const Chunk& chunk, uint32_t pair, uint32_t blocks, TileRows in,
                   float* out, size_t out_stride, bool fresh) {
  switch (rows) {
    case 1:
      return Tile<f, 1>(chunk, pair, blocks, in, out, out_stride, fresh);
    case 2:
      return Tile<f, 2>(chunk, pair, blocks, in, out, out_stride, fresh);
    case 3:
      return Tile<f, 3>(chunk, pair, blocks, in, out, out_stride, fresh);
    case 4:
      return Tile<f, 4>(chunk, pair, blocks, in, out, out_stride, fresh);
    case 5:
      if constexpr (kTileRows<f> > 4) Tile<f, 5>(chunk, pair, blocks, in, out, out_stride, fresh);
      return;
    case 6:
      if constexpr (kTileRows<f> > 4) Tile<f, 6>(chunk, pair, blocks, in, out, out_stride, fresh);
      return;
  }
}

// out[m][32] for `rows` activation rows; `next` (may be null) is what will be read after this
// stripe, prefetched while the tiles compute.
template <PanelFormat f>
inline void Gemm(const uint8_t* stripe, RowPointers x, uint32_t rows, uint32_t cols, float* out,
                 size_t out_stride) {
  Chunk chunk;
  Cursor<f> cursor(stripe);
  const uint32_t blocks = cols / 32;
  const uint32_t tiles = (rows + kTileRows<f> - 1) / kTileRows<f>;
  for (uint32_t first = 0; first < blocks; first += kChunkBlocks) {
    const uint32_t count = blocks - first < kChunkBlocks ? blocks - first : kChunkBlocks;
    UnpackChunk<f>(cursor, count, chunk);
    for (uint32_t pair = 0; pair < 2; ++pair) {
      uint32_t m = 0;
      for (uint32_t tile = 0; tile < tiles; ++tile) {
        const uint32_t end = rows * (tile + 1) / tiles;
        const size_t at = size_t{m} * cols + size_t{first} * 32;
        const TileRows in = {
            {x.values + at, x.scales + at / 32, x.sums + at / 32, x.pair_sums + at / 4}, cols};
        TileOf<f>(end - m, chunk, pair, count, in, out + m * out_stride + 16 * pair, out_stride,
                  first == 0);
        m = end;
      }
    }
  }
}

}  // namespace
}  // namespace infe::kernels::avx2

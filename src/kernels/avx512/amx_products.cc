// Products of many rows with the tile unit's integers and the f32 operations of tiles.h, in the
// same order: the bits are those of the AVX-512 products (docs/kernels.md). Few rows, rows that do
// not fill a group and float types are left to them.
#include "kernels/avx512/amx_tiles.h"
#include "kernels/avx512/products.h"
#include "kernels/avx512/tiles.h"

// g++ 12 takes the deliberately undefined operands of its own AVX-512 intrinsics for mistakes.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

namespace infe::kernels::INFE_AVX512_NAMESPACE {
namespace {

// Minima of halves meet sums that the groups do not hold: the vectors have those.
template <PanelFormat f>
constexpr bool kHasTiles = !HasHalfMins(f);

// Fewer groups than this do not pay for unpacking a chunk.
constexpr uint32_t kGroupsMin = 2;
// Columns in a chunk / 32: 32 KiB of codes.
constexpr uint32_t kSignedChunkBlocks = 32;

// A chunk of a stripe, unpacked to signed codes.
struct SignedChunk {
  alignas(64) int8_t codes[kPanels][kSignedChunkBlocks][8][64];  // [panel][block][step]
  alignas(64) float scales[kSignedChunkBlocks][2][16];
  alignas(64) float mins[kSignedChunkBlocks][2][16];
  alignas(64) float sub_scales[kSignedChunkBlocks][2][2][16];  // of halves: [half][panel]
};

// The sums of a block: of its two halves where they have scales, of the whole block else.
using BlockSums = int32_t[2][kGroupRows][kLanes];

template <PanelFormat f, int k>
inline void UnpackStep(const uint8_t* panel, int8_t (&codes)[8][64]) {
  __m512i step = Codes<f, k>(panel);
  if constexpr (kOffset<f> != 0)
    step = _mm512_sub_epi8(step, _mm512_set1_epi8(static_cast<char>(kOffset<f>)));
  _mm512_storeu_si512(codes[k], step);
}

template <PanelFormat f>
void UnpackSigned(Cursor<f>& cursor, uint32_t blocks, SignedChunk& chunk) {
  for (uint32_t b = 0; b < blocks; ++b) {
    for (uint32_t p = 0; p < kPanels; ++p) {
      const uint8_t* panel = cursor.sub_record + SubHeaderBytes(f) + p * kPanelBytes<f>;
      UnpackStep<f, 0>(panel, chunk.codes[p][b]);
      UnpackStep<f, 1>(panel, chunk.codes[p][b]);
      UnpackStep<f, 2>(panel, chunk.codes[p][b]);
      UnpackStep<f, 3>(panel, chunk.codes[p][b]);
      UnpackStep<f, 4>(panel, chunk.codes[p][b]);
      UnpackStep<f, 5>(panel, chunk.codes[p][b]);
      UnpackStep<f, 6>(panel, chunk.codes[p][b]);
      UnpackStep<f, 7>(panel, chunk.codes[p][b]);
      _mm512_storeu_ps(chunk.scales[b][p], ScaleOf<f>(cursor.record, cursor.sub_record, p));
      if constexpr (HasMin(f))
        _mm512_storeu_ps(chunk.mins[b][p], MinOf<f>(cursor.record, cursor.sub_record, p));
      if constexpr (HasHalfScales(f)) {
        _mm512_storeu_ps(chunk.sub_scales[b][0][p], HalfScale<f>(cursor.sub_record, 0, p));
        _mm512_storeu_ps(chunk.sub_scales[b][1][p], HalfScale<f>(cursor.sub_record, 1, p));
      }
    }
    cursor.Next();
  }
}

// float(v), exact for |v| < 2^22: 1.5 * 2^23 + v is a float whose last bits are v. While tiles are
// in use, conversions share one unit with multiplications; additions have another.
inline __m512 SmallToFloat(const int32_t* v) {
  const __m512i shifted = _mm512_add_epi32(Load(v), _mm512_set1_epi32(0x4b400000));
  return _mm512_sub_ps(_mm512_castsi512_ps(shifted), _mm512_set1_ps(12582912.0f));
}

// Where the tile unit is: it walks a chunk's groups of rows, for each the panels, for each the
// blocks, ahead of the f32 work.
struct TileCursor {
  const SignedChunk& chunk;
  size_t stride;         // bytes from row to row
  uint32_t blocks;       // of the chunk
  const int8_t* group;   // the chunk's columns of the group's first row
  const int8_t* values;  // ... of the block
  const int8_t* codes;
  uint32_t panel = 0;
  uint32_t block = 0;

  inline void Next() {
    values += 32;
    codes += sizeof chunk.codes[0][0];
    if (++block < blocks) return;
    block = 0;
    panel = (panel + 1) % kPanels;
    if (panel == 0) group += kGroupRows * stride;
    values = group;
    codes = chunk.codes[panel][0][0];
  }
};

// Sums of blocks on their way from tiles to f32, in two slots that take turns.
template <PanelFormat f>
struct SumSlots {
  static constexpr bool kHalves = HasHalfScales(f);
  alignas(64) BlockSums sums[2];

  // Starts the products of a block in the sum tiles of its slot.
  template <int slot>
  inline void Multiply(const TileCursor& at) {
    ClearTile<2 * slot>();
    if constexpr (kHalves) {
      LoadTile<4>(at.values, at.stride);
      LoadTile<6>(at.codes, 64);
      AddTileProducts<2 * slot, 4, 6>();
      ClearTile<2 * slot + 1>();
      LoadTile<5>(at.values + 16, at.stride);
      LoadTile<7>(at.codes + 256, 64);
      AddTileProducts<2 * slot + 1, 5, 7>();
    } else {
      LoadTile<4 + slot>(at.values, at.stride);
      LoadTile<6 + slot>(at.codes, 64);
      AddTileProducts<2 * slot, 4 + slot, 6 + slot>();
    }
  }

  template <int slot>
  inline void Store() {
    StoreTile<2 * slot>(sums[slot][0]);
    if constexpr (kHalves) StoreTile<2 * slot + 1>(sums[slot][1]);
  }

  // acc[t] = fma(dot, scale * x_scale, acc[t]) of block b, then the minimum's term. x_scales: 16
  // scales, then 16 sums.
  template <int slot>
  inline void Add(__m512 (&acc)[kGroupRows], const SignedChunk& chunk, uint32_t panel, uint32_t b,
                  const float* x_scales) const {
    const __m512 w_scale = _mm512_loadu_ps(chunk.scales[b][panel]);
    [[maybe_unused]] __m512 w_min, sub_scales[2];
    if constexpr (HasMin(f)) w_min = _mm512_loadu_ps(chunk.mins[b][panel]);
    if constexpr (kHalves) {
      sub_scales[0] = _mm512_loadu_ps(chunk.sub_scales[b][0][panel]);
      sub_scales[1] = _mm512_loadu_ps(chunk.sub_scales[b][1][panel]);
    }
    const float* x_sums = x_scales + kGroupRows;
#pragma GCC unroll 16
    for (uint32_t t = 0; t < kGroupRows; ++t) {
      __m512 dot = SmallToFloat(sums[slot][0][t]);
      if constexpr (kHalves)
        dot = _mm512_fmadd_ps(SmallToFloat(sums[slot][1][t]), sub_scales[1],
                              _mm512_mul_ps(dot, sub_scales[0]));
      const __m512 scale = _mm512_mul_ps(w_scale, _mm512_set1_ps(x_scales[t]));
      acc[t] = _mm512_fmadd_ps(dot, scale, acc[t]);
      if constexpr (HasMin(f)) AddTimesOne(acc[t], w_min, x_sums + t);
    }
  }
};

// A chunk times `groups` groups of rows: out[16 * groups][32], carried on from `out` unless fresh.
// The tile unit is two blocks ahead of the f32 work, over the ends of panels and groups too: block
// i + 2 is multiplied and i + 1 stored while i is added. scales_and_sums: of the first group's rows
// and the chunk's first block; the next group's are `group_floats` on.
template <PanelFormat f>
void ChunkGroups(TileCursor ahead, uint32_t groups, const float* scales_and_sums,
                 size_t group_floats, float* out, size_t out_stride, bool fresh) {
  SumSlots<f> slots;
  const SignedChunk& chunk = ahead.chunk;
  const uint32_t blocks = ahead.blocks;
  uint32_t unstarted = groups * kPanels * blocks;  // at least 2
  const auto multiply = [&]<int slot>() {
    if (unstarted == 0) return;
    --unstarted;
    slots.template Multiply<slot>(ahead);
    ahead.Next();
  };
  multiply.template operator()<0>();
  multiply.template operator()<1>();
  slots.template Store<0>();
  bool odd = false;
  for (uint32_t g = 0; g < groups; ++g) {
    for (uint32_t panel = 0; panel < kPanels; ++panel) {
      float* to = out + g * kGroupRows * out_stride + panel * kLanes;
      __m512 acc[kGroupRows];
#pragma GCC unroll 16
      for (uint32_t t = 0; t < kGroupRows; ++t)
        acc[t] = fresh ? _mm512_setzero_ps() : _mm512_loadu_ps(to + t * out_stride);
      const float* x_scales = scales_and_sums + g * group_floats;
      for (uint32_t b = 0; b < blocks; ++b, x_scales += 2 * kGroupRows, odd = !odd) {
        // The last block's other slot is stored once more: nobody reads it.
        if (odd) {
          multiply.template operator()<1>();
          slots.template Store<0>();
          slots.template Add<1>(acc, chunk, panel, b, x_scales);
        } else {
          multiply.template operator()<0>();
          slots.template Store<1>();
          slots.template Add<0>(acc, chunk, panel, b, x_scales);
        }
      }
#pragma GCC unroll 16
      for (uint32_t t = 0; t < kGroupRows; ++t) _mm512_storeu_ps(to + t * out_stride, acc[t]);
    }
  }
}

// Fetches what will be unpacked next.
template <PanelFormat f>
void PrefetchRecords(const Cursor<f>& cursor, uint32_t blocks) {
  const auto* line = reinterpret_cast<const char*>(cursor.record);
  for (const char* end = line + size_t{blocks} * SubRecordBytes(f); line < end; line += 64)
    _mm_prefetch(line, _MM_HINT_T1);
}

// A stripe times `groups` groups of rows from row `m` (a multiple of 16) on.
template <PanelFormat f>
void StripeGroups(const uint8_t* stripe, const Activations& x, uint32_t m, uint32_t groups,
                  float* out, size_t out_stride) {
  SignedChunk chunk;
  Cursor<f> cursor(stripe);
  const uint32_t blocks = x.cols / 32;
  for (uint32_t first = 0; first < blocks; first += kSignedChunkBlocks) {
    const uint32_t left = blocks - first;
    const uint32_t count = left < kSignedChunkBlocks ? left : kSignedChunkBlocks;
    UnpackSigned<f>(cursor, count, chunk);
    PrefetchRecords<f>(cursor, count);
    const int8_t* values = x.values + size_t{m} * x.cols + size_t{first} * 32;
    ChunkGroups<f>(TileCursor{chunk, x.cols, count, values, values, chunk.codes[0][0][0]}, groups,
                   x.grouped + (size_t{m} * blocks + size_t{first} * kGroupRows) * 2,
                   size_t{blocks} * 2 * kGroupRows, out, out_stride, first == 0);
  }
}

// False if the type has no codes, or none for tiles.
bool MatmulGroups(const PackedMatrix& w, const Activations& x, uint32_t m, uint32_t groups,
                  uint32_t stripe_begin, uint32_t stripe_end, float* out, size_t out_stride) {
  const auto* data = reinterpret_cast<const uint8_t*>(w.data);
  bool done = false;
  WithPanelFormat(w.type, [&]<PanelFormat f>() {
    if constexpr (kHasTiles<f>) {
      const size_t stripe_bytes = StripeBytes(f, w.cols);
      ConfigureTiles(HasHalfScales(f) ? 16 : 32);
      for (uint32_t s = stripe_begin; s < stripe_end; ++s)
        StripeGroups<f>(data + s * stripe_bytes, x, m, groups,
                        out + (s - stripe_begin) * kPanelStripeRows, out_stride);
      ReleaseTiles();
      done = true;
    }
  });
  return done;
}

}  // namespace

void AmxMatmul(const PackedMatrix& w, const Activations& x, uint32_t row_begin, uint32_t row_end,
               uint32_t stripe_begin, uint32_t stripe_end, float* out, size_t out_stride) {
  const uint32_t first = (row_begin + kGroupRows - 1) / kGroupRows * kGroupRows;
  const uint32_t groups = row_end < first ? 0 : (row_end - first) / kGroupRows;
  const auto at = [&](uint32_t row) { return out + size_t{row - row_begin} * out_stride; };
  if (groups < kGroupsMin ||
      !MatmulGroups(w, x, first, groups, stripe_begin, stripe_end, at(first), out_stride))
    return Matmul(w, x, row_begin, row_end, stripe_begin, stripe_end, out, out_stride);
  Matmul(w, x, row_begin, first, stripe_begin, stripe_end, out, out_stride);
  const uint32_t last = first + groups * kGroupRows;
  Matmul(w, x, last, row_end, stripe_begin, stripe_end, at(last), out_stride);
}

}  // namespace infe::kernels::INFE_AVX512_NAMESPACE

// Products of many rows with the tile unit's integers and the f32 operations of tiles.h, in the
// same order: the bits are those of the AVX-512 products (docs/kernels.md). Few rows, rows that do
// not fill a group and float types are left to them.
#include "kernels/avx512/amx_tiles.h"
#include "kernels/avx512/products.h"

// g++ 12 takes the deliberately undefined operands of its own AVX-512 intrinsics for mistakes.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

namespace infe::kernels::INFE_AVX512_NAMESPACE {
namespace {

// Fewer groups than this do not pay for unpacking a chunk.
constexpr uint32_t kGroupsMin = 2;
// Columns in a chunk / 32: 32 KiB of codes.
constexpr uint32_t kSignedChunkBlocks = 32;

// A chunk of a stripe, unpacked to signed codes.
struct SignedChunk {
  alignas(64) int8_t codes[kSignedChunkBlocks][2][8][64];  // [block][panel][step]
  alignas(64) float scales[kSignedChunkBlocks][2][16];
  alignas(64) float mins[kSignedChunkBlocks][2][16];
  alignas(64) float sub_scales[kSignedChunkBlocks][2][2][16];  // Q6_K: [half][panel]
};

// A group's part of the activations: 16 rows at `values`, `stride` bytes apart, and for each block
// their 16 scales and 16 sums.
struct Group {
  const int8_t* values;
  size_t stride;
  const float* scales_and_sums;
};

// The sums of a block: of Q6_K's two halves, of the whole block else.
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
      UnpackStep<f, 0>(panel, chunk.codes[b][p]);
      UnpackStep<f, 1>(panel, chunk.codes[b][p]);
      UnpackStep<f, 2>(panel, chunk.codes[b][p]);
      UnpackStep<f, 3>(panel, chunk.codes[b][p]);
      UnpackStep<f, 4>(panel, chunk.codes[b][p]);
      UnpackStep<f, 5>(panel, chunk.codes[b][p]);
      UnpackStep<f, 6>(panel, chunk.codes[b][p]);
      UnpackStep<f, 7>(panel, chunk.codes[b][p]);
      _mm512_storeu_ps(chunk.scales[b][p], ScaleOf<f>(cursor.record, cursor.sub_record, p));
      if constexpr (f.has_min)
        _mm512_storeu_ps(chunk.mins[b][p], MinOf<f>(cursor.record, cursor.sub_record, p));
      if constexpr (f.code_bits == 6) {
        const uint8_t* sub_scales = cursor.sub_record + kLanes * p;
        _mm512_storeu_ps(chunk.sub_scales[b][0][p], SignedBytesToFloat(sub_scales));
        _mm512_storeu_ps(chunk.sub_scales[b][1][p], SignedBytesToFloat(sub_scales + 32));
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

// A panel times a group, block by block; `slot` is 0 or 1 in turns.
template <PanelFormat f>
struct GroupTile {
  static constexpr bool kHalves = f.code_bits == 6;
  const SignedChunk& chunk;
  uint32_t panel;
  const Group& group;
  alignas(64) BlockSums sums[2];

  // Starts the products of block b in the sum tiles of its slot.
  template <int slot>
  inline void Multiply(uint32_t b) {
    const int8_t* x = group.values + size_t{b} * 32;
    const int8_t* codes = chunk.codes[b][panel][0];
    ClearTile<2 * slot>();
    if constexpr (kHalves) {
      LoadTile<4>(x, group.stride);
      LoadTile<6>(codes, 64);
      AddTileProducts<2 * slot, 4, 6>();
      ClearTile<2 * slot + 1>();
      LoadTile<5>(x + 16, group.stride);
      LoadTile<7>(codes + 256, 64);
      AddTileProducts<2 * slot + 1, 5, 7>();
    } else {
      LoadTile<4 + slot>(x, group.stride);
      LoadTile<6 + slot>(codes, 64);
      AddTileProducts<2 * slot, 4 + slot, 6 + slot>();
    }
  }

  template <int slot>
  inline void Store() {
    StoreTile<2 * slot>(sums[slot][0]);
    if constexpr (kHalves) StoreTile<2 * slot + 1>(sums[slot][1]);
  }

  // acc[t] = fma(dot, scale * x_scale, acc[t]) of block b, then the minimum's term.
  template <int slot>
  inline void Add(__m512 (&acc)[kGroupRows], uint32_t b) const {
    const __m512 w_scale = _mm512_loadu_ps(chunk.scales[b][panel]);
    [[maybe_unused]] __m512 w_min, sub_scales[2];
    if constexpr (f.has_min) w_min = _mm512_loadu_ps(chunk.mins[b][panel]);
    if constexpr (kHalves) {
      sub_scales[0] = _mm512_loadu_ps(chunk.sub_scales[b][0][panel]);
      sub_scales[1] = _mm512_loadu_ps(chunk.sub_scales[b][1][panel]);
    }
    const float* x_scales = group.scales_and_sums + size_t{b} * 2 * kGroupRows;
    const float* x_sums = x_scales + kGroupRows;
#pragma GCC unroll 16
    for (uint32_t t = 0; t < kGroupRows; ++t) {
      __m512 dot = SmallToFloat(sums[slot][0][t]);
      if constexpr (kHalves)
        dot = _mm512_fmadd_ps(SmallToFloat(sums[slot][1][t]), sub_scales[1],
                              _mm512_mul_ps(dot, sub_scales[0]));
      const __m512 scale = _mm512_mul_ps(w_scale, _mm512_set1_ps(x_scales[t]));
      acc[t] = _mm512_fmadd_ps(dot, scale, acc[t]);
      if constexpr (f.has_min) acc[t] = _mm512_fmadd_ps(w_min, _mm512_set1_ps(x_sums[t]), acc[t]);
    }
  }
};

// out[16 rows][16 outputs], carried on from `out` unless fresh. The tile unit is two blocks ahead
// of the f32 work: block b + 2 is multiplied and b + 1 stored while b is added.
template <PanelFormat f>
void GroupPanel(const SignedChunk& chunk, uint32_t panel, const Group& group, uint32_t blocks,
                float* out, size_t out_stride, bool fresh) {
  __m512 acc[kGroupRows];
#pragma GCC unroll 16
  for (uint32_t t = 0; t < kGroupRows; ++t)
    acc[t] = fresh ? _mm512_setzero_ps() : _mm512_loadu_ps(out + t * out_stride);
  GroupTile<f> tile = {chunk, panel, group, {}};
  tile.template Multiply<0>(0);
  if (blocks > 1) tile.template Multiply<1>(1);
  tile.template Store<0>();
  uint32_t b = 0;
  for (; b + 2 < blocks; b += 2) {
    tile.template Multiply<0>(b + 2);
    tile.template Store<1>();
    tile.template Add<0>(acc, b);
    if (b + 3 < blocks) tile.template Multiply<1>(b + 3);
    tile.template Store<0>();
    tile.template Add<1>(acc, b + 1);
  }
  if (b + 1 < blocks) tile.template Store<1>();
  tile.template Add<0>(acc, b);
  if (b + 1 < blocks) tile.template Add<1>(acc, b + 1);
#pragma GCC unroll 16
  for (uint32_t t = 0; t < kGroupRows; ++t) _mm512_storeu_ps(out + t * out_stride, acc[t]);
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
    for (uint32_t g = 0; g < groups; ++g) {
      const size_t row = m + size_t{g} * kGroupRows;
      const Group group = {x.values + row * x.cols + size_t{first} * 32, x.cols,
                           x.grouped + (row * blocks + size_t{first} * kGroupRows) * 2};
      for (uint32_t p = 0; p < kPanels; ++p)
        GroupPanel<f>(chunk, p, group, count, out + g * kGroupRows * out_stride + p * kLanes,
                      out_stride, first == 0);
    }
  }
}

template <PanelFormat f>
void MatmulGroups(const PackedMatrix& w, const Activations& x, uint32_t m, uint32_t groups,
                  uint32_t stripe_begin, uint32_t stripe_end, float* out, size_t out_stride) {
  const size_t stripe_bytes = size_t{w.cols} / (f.is_super ? 256 : 32) * RecordBytes(f);
  const auto* data = reinterpret_cast<const uint8_t*>(w.data);
  ConfigureTiles(f.code_bits == 6 ? 16 : 32);
  for (uint32_t s = stripe_begin; s < stripe_end; ++s, out += kPanelStripeRows)
    StripeGroups<f>(data + s * stripe_bytes, x, m, groups, out, out_stride);
  ReleaseTiles();
}

// False if the type has no codes.
bool MatmulOfGroups(const PackedMatrix& w, const Activations& x, uint32_t m, uint32_t groups,
                    uint32_t stripe_begin, uint32_t stripe_end, float* out, size_t out_stride) {
#define INFE_CASE(TYPE)                                                                     \
  case QuantType::k##TYPE:                                                                  \
    MatmulGroups<kPanel##TYPE>(w, x, m, groups, stripe_begin, stripe_end, out, out_stride); \
    return true;
  switch (w.type) {
    INFE_CASE(Q8_0)
    INFE_CASE(Q4_0)
    INFE_CASE(Q4_1)
    INFE_CASE(Q5_0)
    INFE_CASE(Q5_1)
    INFE_CASE(Q4_K)
    INFE_CASE(Q5_K)
    INFE_CASE(Q6_K)
    case QuantType::kF32:
    case QuantType::kF16:
    case QuantType::kBF16:
      break;
  }
#undef INFE_CASE
  return false;
}

}  // namespace

void AmxMatmul(const PackedMatrix& w, const Activations& x, uint32_t row_begin, uint32_t row_end,
               uint32_t stripe_begin, uint32_t stripe_end, float* out, size_t out_stride) {
  const uint32_t first = (row_begin + kGroupRows - 1) / kGroupRows * kGroupRows;
  const uint32_t groups = row_end < first ? 0 : (row_end - first) / kGroupRows;
  const auto at = [&](uint32_t row) { return out + size_t{row - row_begin} * out_stride; };
  if (groups < kGroupsMin ||
      !MatmulOfGroups(w, x, first, groups, stripe_begin, stripe_end, at(first), out_stride))
    return Matmul(w, x, row_begin, row_end, stripe_begin, stripe_end, out, out_stride);
  Matmul(w, x, row_begin, first, stripe_begin, stripe_end, out, out_stride);
  const uint32_t last = first + groups * kGroupRows;
  Matmul(w, x, last, row_end, stripe_begin, stripe_end, at(last), out_stride);
}

}  // namespace infe::kernels::INFE_AVX512_NAMESPACE

// Dispatch of the products by type. Only intrinsics and plain structs: see panel_codes.h.
#include "kernels/avx512/products.h"

// g++ 12 takes the deliberately undefined operands of its own AVX-512 intrinsics for mistakes.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include "kernels/avx2/products.h"
#include "kernels/avx512/tiles.h"

namespace infe::kernels::INFE_AVX512_NAMESPACE {
namespace {

// Rows in a tile of an unpacked chunk: 12 sums in 32 bits, 12 in f32, 2 weights.
constexpr uint32_t kTileRows = 6;

Rows RowsOf(const Activations& x, uint32_t m) {
  return Rows{x.values, x.scales, x.sums, x.pair_sums, x.cols}.Row(m);
}

template <PanelFormat f>
void ChunkTileOf(uint32_t rows, const Chunk& chunk, Rows in, uint32_t blocks, Ahead ahead,
                 float* out, size_t out_stride, bool fresh) {
  switch (rows) {
    case 1:
      return ChunkTile<f, 1>(chunk, in, blocks, ahead, out, out_stride, fresh);
    case 2:
      return ChunkTile<f, 2>(chunk, in, blocks, ahead, out, out_stride, fresh);
    case 3:
      return ChunkTile<f, 3>(chunk, in, blocks, ahead, out, out_stride, fresh);
    case 4:
      return ChunkTile<f, 4>(chunk, in, blocks, ahead, out, out_stride, fresh);
    case 5:
      return ChunkTile<f, 5>(chunk, in, blocks, ahead, out, out_stride, fresh);
    case 6:
      return ChunkTile<f, 6>(chunk, in, blocks, ahead, out, out_stride, fresh);
  }
}

// Rows that come straight from the packed stream in one pass.
constexpr uint32_t kFewRowsMax = 8;
// Up to how many such passes beat unpacking a chunk: s8 codes are no smaller packed, so a chunk
// buys them nothing, unless they have to be looked up.
template <PanelFormat f>
constexpr uint32_t kFewRowsPasses = HasSignedCodes(f) && !HasEntries(f) ? 2 : 1;

template <PanelFormat f>
void FewRowsOf(uint32_t rows, const uint8_t* stripe, Rows in, float* out, size_t out_stride) {
  switch (rows) {
    case 1:
      return FewRows<f, 1, 2>(stripe, 0, in, out, out_stride);
    case 2:
      return FewRows<f, 2, 2>(stripe, 0, in, out, out_stride);
    case 3:
      return FewRows<f, 3, 2>(stripe, 0, in, out, out_stride);
    case 4:
      return FewRows<f, 4, 2>(stripe, 0, in, out, out_stride);
    case 5:
      return FewRows<f, 5, 2>(stripe, 0, in, out, out_stride);
    case 6:
      return FewRows<f, 6, 2>(stripe, 0, in, out, out_stride);
    case 7:
      return FewRows<f, 7, 2>(stripe, 0, in, out, out_stride);
    case kFewRowsMax:
      return FewRows<f, 8, 2>(stripe, 0, in, out, out_stride);
  }
}

template <PanelFormat f>
void StripeProduct(const uint8_t* stripe, Rows in, uint32_t rows, float* out, size_t out_stride) {
  const uint32_t passes = (rows + kFewRowsMax - 1) / kFewRowsMax;
  if (passes <= kFewRowsPasses<f>) {
    for (uint32_t m = 0, pass = 0; pass < passes; ++pass) {
      const uint32_t end = rows * (pass + 1) / passes;
      FewRowsOf<f>(end - m, stripe, in.Row(m), out + m * out_stride, out_stride);
      m = end;
    }
    return;
  }
  Chunk chunk;
  Cursor<f> cursor(stripe);
  const auto blocks = static_cast<uint32_t>(in.cols / 32);
  const uint32_t tiles = (rows + kTileRows - 1) / kTileRows;
  for (uint32_t first = 0; first < blocks; first += kChunkBlocks) {
    const uint32_t count = blocks - first < kChunkBlocks ? blocks - first : kChunkBlocks;
    UnpackChunk<f>(cursor, count, chunk);
    uint32_t m = 0;
    for (uint32_t tile = 0; tile < tiles; ++tile) {
      const uint32_t end = rows * (tile + 1) / tiles;
      const Ahead ahead = {tile == 0 ? cursor.record : nullptr, SubRecordBytes(f)};
      ChunkTileOf<ChunkFormat(f)>(end - m, chunk, in.Row(m).Block(first), count, ahead,
                                  out + m * out_stride, out_stride, first == 0);
      m = end;
    }
  }
}

template <PanelFormat f>
void MatmulPanels(const PackedMatrix& w, const Activations& x, uint32_t row_begin, uint32_t row_end,
                  uint32_t stripe_begin, uint32_t stripe_end, float* out, size_t out_stride) {
  const size_t stripe_bytes = StripeBytes(f, w.cols);
  const auto* data = reinterpret_cast<const uint8_t*>(w.data);
  for (uint32_t s = stripe_begin; s < stripe_end; ++s, out += kPanelStripeRows)
    StripeProduct<f>(data + s * stripe_bytes, RowsOf(x, row_begin), row_end - row_begin, out,
                     out_stride);
}

template <PanelFormat f>
void MatvecPanels(const PackedMatrix& w, const Activations& x, uint32_t m, const uint32_t* rows,
                  uint32_t count, float* out) {
  const size_t stripe_bytes = StripeBytes(f, w.cols);
  const auto* data = reinterpret_cast<const uint8_t*>(w.data);
  float panel[kLanes];
  uint32_t done = 0xffffffff;  // the panel that `panel` holds
  for (uint32_t i = 0; i < count; ++i) {
    if (rows[i] / kLanes != done) {
      done = rows[i] / kLanes;
      FewRows<f, 1, 1>(data + rows[i] / kPanelStripeRows * stripe_bytes, done % kPanels,
                       RowsOf(x, m), panel, kLanes);
    }
    out[i] = panel[rows[i] % kLanes];
  }
}

}  // namespace

void Matmul(const PackedMatrix& w, const Activations& x, uint32_t row_begin, uint32_t row_end,
            uint32_t stripe_begin, uint32_t stripe_end, float* out, size_t out_stride) {
  if (row_begin >= row_end) return;
  const bool done = WithPanelFormat(w.type, [&]<PanelFormat f>() {
    MatmulPanels<f>(w, x, row_begin, row_end, stripe_begin, stripe_end, out, out_stride);
  });
  if (!done) avx2::Matmul(w, x, row_begin, row_end, stripe_begin, stripe_end, out, out_stride);
}

void MatvecRows(const PackedMatrix& w, const Activations& x, uint32_t m, const uint32_t* rows,
                uint32_t count, float* out) {
  const bool done =
      WithPanelFormat(w.type, [&]<PanelFormat f>() { MatvecPanels<f>(w, x, m, rows, count, out); });
  if (!done) avx2::MatvecRows(w, x, m, rows, count, out);
}

}  // namespace infe::kernels::INFE_AVX512_NAMESPACE

// Dispatch of the products by type. Only intrinsics and plain structs: see panel_codes.h.
#include "kernels/avx2/products.h"

#include "kernels/avx2/float_products.h"
#include "kernels/avx2/gemm.h"
#include "kernels/avx2/gemv.h"

namespace infe::kernels::avx2 {
namespace {

// Up to how many rows GemmFew is the faster way. Signed codes need no unpacking, so that their
// chunks gain less.
template <PanelFormat f>
constexpr uint32_t kFewRows = f.code_bits == 8 ? 8 : 4;

RowPointers RowOf(const Activations& x, uint32_t m) {
  const size_t at = size_t{m} * x.cols;
  return {x.values + at, x.scales + at / 32, x.sums + at / 32, x.pair_sums + at / 4};
}

template <PanelFormat f>
size_t StripeBytes(uint32_t cols) {
  return size_t{cols} / (f.is_super ? 256 : 32) * RecordBytes(f);
}

template <PanelFormat f>
void MatmulPanels(const PackedMatrix& w, const Activations& x, uint32_t row_begin, uint32_t row_end,
                  uint32_t stripe_begin, uint32_t stripe_end, float* out, size_t out_stride) {
  const size_t stripe_bytes = StripeBytes<f>(w.cols);
  const auto* data = reinterpret_cast<const uint8_t*>(w.data);
  const RowPointers rows = RowOf(x, row_begin);
  for (uint32_t s = stripe_begin; s < stripe_end; ++s, out += kPanelStripeRows) {
    const uint8_t* stripe = data + s * stripe_bytes;
    if (row_end - row_begin <= kFewRows<f>)
      GemmFew<f>(stripe, rows, row_end - row_begin, w.cols, out, out_stride);
    else
      Gemm<f>(stripe, rows, row_end - row_begin, w.cols, out, out_stride);
  }
}

template <PanelFormat f>
void MatvecPanels(const PackedMatrix& w, const Activations& x, uint32_t m, const uint32_t* rows,
                  uint32_t count, float* out) {
  const size_t stripe_bytes = StripeBytes<f>(w.cols);
  const auto* data = reinterpret_cast<const uint8_t*>(w.data);
  float panel[kLanes];
  uint32_t done = 0xffffffff;  // the panel that `panel` holds
  for (uint32_t i = 0; i < count; ++i) {
    if (rows[i] / kLanes != done) {
      done = rows[i] / kLanes;
      Gemv<f, 1>(data + rows[i] / kPanelStripeRows * stripe_bytes, done % kPanels, RowOf(x, m),
                 w.cols / 32, panel);
    }
    out[i] = panel[rows[i] % kLanes];
  }
}

}  // namespace

void Matmul(const PackedMatrix& w, const Activations& x, uint32_t row_begin, uint32_t row_end,
            uint32_t stripe_begin, uint32_t stripe_end, float* out, size_t out_stride) {
  if (row_begin >= row_end) return;
#define INFE_CASE(TYPE)                                                                        \
  case QuantType::k##TYPE:                                                                     \
    return MatmulPanels<kPanel##TYPE>(w, x, row_begin, row_end, stripe_begin, stripe_end, out, \
                                      out_stride);
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
      return MatmulFloat<F32>(w, x, row_begin, row_end, stripe_begin, stripe_end, out, out_stride);
    case QuantType::kF16:
      return MatmulFloat<F16>(w, x, row_begin, row_end, stripe_begin, stripe_end, out, out_stride);
    case QuantType::kBF16:
      return MatmulFloat<BF16>(w, x, row_begin, row_end, stripe_begin, stripe_end, out, out_stride);
  }
#undef INFE_CASE
}

void MatvecRows(const PackedMatrix& w, const Activations& x, uint32_t m, const uint32_t* rows,
                uint32_t count, float* out) {
#define INFE_CASE(TYPE)    \
  case QuantType::k##TYPE: \
    return MatvecPanels<kPanel##TYPE>(w, x, m, rows, count, out);
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
      return MatvecFloat<F32>(w, x, m, rows, count, out);
    case QuantType::kF16:
      return MatvecFloat<F16>(w, x, m, rows, count, out);
    case QuantType::kBF16:
      return MatvecFloat<BF16>(w, x, m, rows, count, out);
  }
#undef INFE_CASE
}

}  // namespace infe::kernels::avx2

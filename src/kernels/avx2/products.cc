// Dispatch of the products by type. Only intrinsics and plain structs: see panel_codes.h.
#include "kernels/avx2/products.h"

#include "kernels/avx2/float_products.h"
#include "kernels/avx2/gemm.h"
#include "kernels/avx2/gemv.h"

namespace infe::kernels::avx2 {
namespace {

RowPointers RowOf(const Activations& x, uint32_t m) {
  const size_t at = size_t{m} * x.cols;
  return {x.values + at, x.scales + at / 32, x.sums + at / 32, x.pair_sums + at / 4};
}

template <PanelFormat f>
void MatmulPanels(const PackedMatrix& w, const Activations& x, uint32_t row_begin, uint32_t row_end,
                  uint32_t stripe_begin, uint32_t stripe_end, float* out, size_t out_stride) {
  const size_t stripe_bytes = StripeBytes(f, w.cols);
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
  const size_t stripe_bytes = StripeBytes(f, w.cols);
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

// Calls f.template operator()<Float>() for a type of floats.
template <class F>
void WithFloat(QuantType type, const F& f) {
  if (type == QuantType::kF32) f.template operator()<F32>();
  if (type == QuantType::kF16) f.template operator()<F16>();
  if (type == QuantType::kBF16) f.template operator()<BF16>();
}

}  // namespace

void Matmul(const PackedMatrix& w, const Activations& x, uint32_t row_begin, uint32_t row_end,
            uint32_t stripe_begin, uint32_t stripe_end, float* out, size_t out_stride) {
  if (row_begin >= row_end) return;
  const bool done = WithPanelFormat(w.type, [&]<PanelFormat f>() {
    MatmulPanels<f>(w, x, row_begin, row_end, stripe_begin, stripe_end, out, out_stride);
  });
  if (done) return;
  WithFloat(w.type, [&]<class Float>() {
    MatmulFloat<Float>(w, x, row_begin, row_end, stripe_begin, stripe_end, out, out_stride);
  });
}

void MatvecRows(const PackedMatrix& w, const Activations& x, uint32_t m, const uint32_t* rows,
                uint32_t count, float* out) {
  const bool done =
      WithPanelFormat(w.type, [&]<PanelFormat f>() { MatvecPanels<f>(w, x, m, rows, count, out); });
  if (done) return;
  WithFloat(w.type, [&]<class Float>() { MatvecFloat<Float>(w, x, m, rows, count, out); });
}

}  // namespace infe::kernels::avx2

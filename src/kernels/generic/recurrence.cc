// The recurrence as it is defined (table.h), sums in f64: the reference for vec/recurrence-inl.h.
// The state is [keys][values].
#include "kernels/generic/generic.h"

namespace infe::kernels::generic {

void Recur(Recurrence kind, const RecurrenceArgs& a) {
  for (uint32_t t = 0; t < a.tokens; ++t) {
    const float* q = a.q + t * a.stride;
    const float* k = a.k + t * a.stride;
    const float* v = a.v + t * a.stride;
    const float decay = a.decay[t * a.gate_stride];
    const float rate = a.rate[t * a.gate_stride];
    for (uint32_t j = 0; j < a.values; ++j) {
      double known = 0;
      if (kind == Recurrence::kDelta) {
        for (uint32_t i = 0; i < a.keys; ++i) known += double{k[i]} * a.state[i * a.values + j];
      }
      const auto learnt = static_cast<float>(rate * (v[j] - decay * known));
      double sum = 0;
      for (uint32_t i = 0; i < a.keys; ++i) {
        float& s = a.state[i * a.values + j];
        s = s * decay + k[i] * learnt;
        sum += double{q[i]} * s;
      }
      a.out[t * a.out_stride + j] = static_cast<float>(sum);
    }
  }
}

}  // namespace infe::kernels::generic

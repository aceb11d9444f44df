// The exponential of every ISA, and a function made of it.
#pragma once

#include "kernels/vec/vec.h"

namespace infe::kernels::vec {
namespace {

// e^x = 2^n * e^r with n = round(x / ln 2), |r| <= ln 2 / 2, e^r by the degree-7 polynomial of
// Cephes' expf. Within 2 units in the last place on [-87, 88]; outside, the value at the border.
// exp(0) is exactly 1.
template <Vec V>
inline V Exp(V x) {
  x = Max(Min(x, V::All(88.0f)), V::All(-87.0f));
  const V n = Round(x * V::All(1.44269504f));
  V r = NegMulAdd(n, V::All(0.693359375f), x);
  r = NegMulAdd(n, V::All(-2.12194440e-4f), r);
  V p = V::All(1.9875691500e-4f);
  p = MulAdd(p, r, V::All(1.3981999507e-3f));
  p = MulAdd(p, r, V::All(8.3334519073e-3f));
  p = MulAdd(p, r, V::All(4.1665795894e-2f));
  p = MulAdd(p, r, V::All(1.6666665459e-1f));
  p = MulAdd(p, r, V::All(5.0000001201e-1f));
  p = MulAdd(p, r * r, r) + V::All(1.0f);
  return p * PowerOfTwo(n);
}

// cap * tanh(x / cap); the absolute error is within 2^-22 of cap.
template <Vec V>
inline V SoftcapOf(V x, V cap) {
  const V one = V::All(1.0f);
  const V two = V::All(2.0f);
  return cap * (one - two / (one + Exp(two * (x / cap))));
}

}  // namespace
}  // namespace infe::kernels::vec

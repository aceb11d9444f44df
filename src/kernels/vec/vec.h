// What an instruction set brings so that the algorithms of this folder, written once, run on it: a
// vector of f32 lanes and the operations below, all inlined, all of internal linkage (`Vec` in
// avx2/vec.h, avx512/vec.h and generic/vec.h). A wider vector holds more lanes of the same
// computation, so every Vec that fuses has the same bits, whatever its width: lanes never meet but
// in Sum32 and Max32, which take 32 lanes whatever the width and add them in one order.
//
// A header named -inl.h is compiled once per ISA, with that ISA's flags: it holds templates in an
// unnamed namespace and includes nothing whose inline functions could escape from there.
#pragma once

#include <concepts>
#include <cstdint>

namespace infe::kernels::vec {

// The lanes of one block of a sum, of a tile of positions, of a stripe.
inline constexpr uint32_t kBlockLanes = 32;

// What the element-wise functions need.
template <class V>
concept Vec = requires(V v, float* to, const float* from, uint32_t count, int8_t* bytes) {
  // A divisor of 32.
  requires kBlockLanes % V::kLanes == 0;
  { V::All(1.0f) } -> std::same_as<V>;  // in every lane
  { V::Load(from) } -> std::same_as<V>;
  { v.Store(to) };
  // The first `count` lanes (at most all); the others are 0, their memory is not touched.
  { V::LoadFirst(from, count) } -> std::same_as<V>;
  { v.StoreFirst(to, count) };
  // Rounded to nearest, ties to even, and to s8, for |v| <= 127.
  { v.StoreInt8(bytes) };

  { v + v } -> std::same_as<V>;
  { v - v } -> std::same_as<V>;
  { v* v } -> std::same_as<V>;
  { v / v } -> std::same_as<V>;
  // a * b + c, a * b - c and c - a * b, rounded once; twice on the generic one, which has no fused
  // instruction to rely on.
  { MulAdd(v, v, v) } -> std::same_as<V>;
  { MulSub(v, v, v) } -> std::same_as<V>;
  { NegMulAdd(v, v, v) } -> std::same_as<V>;
  // (a, b): b where one of them is no number.
  { Max(v, v) } -> std::same_as<V>;
  { Min(v, v) } -> std::same_as<V>;
  { Abs(v) } -> std::same_as<V>;
  { Round(v) } -> std::same_as<V>;       // to nearest, ties to even, for |v| < 2^22
  { PowerOfTwo(v) } -> std::same_as<V>;  // 2^v for whole v in -126..127
  { FirstLane(v) } -> std::same_as<float>;
  { LargestLane(v) } -> std::same_as<float>;
  { V::Root(1.0f) } -> std::same_as<float>;  // the square root
};

// What sums in f32 and the softmax need besides.
template <class V>
concept BlockVec = Vec<V> && requires(V v, uint32_t count, typename V::Mask mask,
                                      const V (&block)[kBlockLanes / V::kLanes]) {
  // The lanes i with begin <= first + i < end, for numbers up to 32.
  { V::Between(count, count, count) } -> std::same_as<typename V::Mask>;
  { Where(mask, v, v) } -> std::same_as<V>;  // the first where the mask is set, else the second
  { WhereOrZero(mask, v) } -> std::same_as<V>;
  // The largest of 32 lanes.
  { Max32(block) } -> std::same_as<float>;
  // The sum of 32 lanes: eight sums (x[i] + x[i + 8]) + (x[i + 16] + x[i + 24]), of these lane i
  // plus lane i + 4, of these i plus i + 2, and the last two.
  { Sum32(block) } -> std::same_as<float>;
};

}  // namespace infe::kernels::vec

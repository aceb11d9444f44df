// From packed panels to vectors of codes and scales (panels/layout.h), 8 rows x 4 columns a vector.
// Included by avx2/*.cc only: everything has internal linkage, so that no copy compiled with these
// flags can be linked into other code.
#pragma once

#include <cstdint>

#include <immintrin.h>

#include "kernels/panels/by_format.h"
#include "kernels/quant/codebooks.h"

namespace infe::kernels::avx2 {
namespace {

constexpr uint32_t kLanes = 8;
constexpr uint32_t kPanels = kPanelStripeRows / kLanes;

template <PanelFormat f>
constexpr uint32_t kPanelBytes = kLanes * PanelBytesPerLane(f);

inline __m256i Load(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
inline __m256i Broadcast32(const void* p) {
  return _mm256_set1_epi32(*static_cast<const int32_t __attribute__((may_alias, aligned(1)))*>(p));
}

// Keeps a running sum in its register: without it the compiler rearranges the integer additions
// into trees of spilled products.
inline void Pin(__m256i& v) {
  asm("" : "+x"(v));
}

// 16 bytes for a look-up by nibbles.
inline __m256i Table(const void* entries) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(static_cast<const __m128i*>(entries)));
}

// Bits of every byte from `from` on, moved to where `mask` is, whose lowest bit is `to`.
template <int from, int to, int mask>
inline __m256i MoveBits(__m256i plane) {
  __m256i moved = plane;
  if constexpr (from < to) moved = _mm256_slli_epi16(plane, to - from);
  if constexpr (from > to) moved = _mm256_srli_epi16(plane, from - to);
  return _mm256_and_si256(moved, _mm256_set1_epi8(mask));
}
// Bit k of every byte, moved to bit `to`.
template <int k, int to>
inline __m256i OneBit(__m256i plane) {
  return MoveBits<k, to, 1 << to>(plane);
}
// Bits 2 j and 2 j + 1 of every byte, moved to bits `to` and `to` + 1.
template <int j, int to>
inline __m256i TwoBits(__m256i plane) {
  return MoveBits<2 * j, to, 3 << to>(plane);
}

// The signs of a panel of entries, without what stands beside them: bit k of byte i is set where
// byte i of step k is negative.
template <PanelFormat f>
inline __m256i SignPlane(const uint8_t* panel) {
  const __m256i plane = Load(panel + kLanes * EntryBytesPerLane(f));
  if constexpr (!HasEvenSigns(f)) return plane;
  // The eighth sign of eight columns is bit 2 g + 1 of byte 3: bits 2 g and 2 g + 1 of the others
  // and bit 2 g of byte 3, summed into byte 3, then bit 2 g onto bit 2 g + 1.
  const __m256i seven = _mm256_and_si256(plane, _mm256_set1_epi32(0x55ffffff));
  __m256i odd = _mm256_xor_si256(seven, _mm256_slli_epi32(seven, 8));
  odd = _mm256_xor_si256(odd, _mm256_slli_epi32(odd, 16));
  odd = _mm256_xor_si256(odd, _mm256_slli_epi32(odd, 1));
  return _mm256_or_si256(seven,
                         _mm256_and_si256(odd, _mm256_set1_epi32(static_cast<int>(0xaa000000))));
}
// What stands beside the signs of each lane: 4 bits.
template <PanelFormat f>
inline __m256i BesideSigns(const uint8_t* panel) {
  const __m256i plane = Load(panel + kLanes * EntryBytesPerLane(f));
  __m256i bits = _mm256_and_si256(_mm256_srli_epi32(plane, 25), _mm256_set1_epi32(0x55));
  bits =
      _mm256_and_si256(_mm256_or_si256(bits, _mm256_srli_epi32(bits, 1)), _mm256_set1_epi32(0x33));
  return _mm256_and_si256(_mm256_or_si256(bits, _mm256_srli_epi32(bits, 2)),
                          _mm256_set1_epi32(0x0f));
}

// The numbers of entry i of each lane (of 4 or 8), as 32 bits.
template <PanelFormat f, int i>
inline __m256i EntryNumbers(const uint8_t* panel) {
  constexpr int kAt = i % 4 * 8;
  __m256i numbers = Load(panel + 32 * (i / 4));
  if constexpr (kAt != 0) numbers = _mm256_srli_epi32(numbers, kAt);
  if constexpr (kAt != 24) numbers = _mm256_and_si256(numbers, _mm256_set1_epi32(0xff));
  constexpr uint32_t kWords = kLanes * (EntryBytesPerLane(f) + 4);
  if constexpr (f.code == CodeShape::kEntries512Of8) {
    const __m256i plane = Load(panel + kLanes * EntryBytesPerLane(f));
    constexpr int kBit = 25 + 2 * (i % 4);
    numbers = _mm256_or_si256(
        numbers, _mm256_and_si256(_mm256_srli_epi32(plane, kBit - 8), _mm256_set1_epi32(0x100)));
  }
  if constexpr (f.code == CodeShape::kEntries1024Of8 || f.code == CodeShape::kEntries512Of4) {
    const __m256i rest =
        _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(panel + kWords)));
    constexpr int kUpper = f.code == CodeShape::kEntries1024Of8 ? 2 : 1;
    const __m256i high = _mm256_slli_epi32(rest, 8 - kUpper * i);
    numbers = _mm256_or_si256(numbers,
                              _mm256_and_si256(high, _mm256_set1_epi32(((1 << kUpper) - 1) << 8)));
  }
  return numbers;
}

// Two steps of magnitudes.
struct TwoSteps {
  __m256i step[2];
};

// The numbers of entry i of all lanes, one by one: bytes as they lie, or put together first.
template <PanelFormat f, int i>
struct Numbers {
  alignas(32) uint32_t of[kLanes];
  explicit Numbers(const uint8_t* panel) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(of), EntryNumbers<f, i>(panel));
  }
  inline uint32_t operator()(int lane) const { return of[lane]; }
};
template <PanelFormat f, int i>
  requires(HasNumbersOfOneByte(f))
struct Numbers<f, i> {
  const uint8_t* bytes;
  explicit Numbers(const uint8_t* panel) : bytes(panel + 32 * (i / 4) + i % 4) {}
  inline uint32_t operator()(int lane) const { return bytes[4 * lane]; }
};

// Entries of a codebook for steps 2 g and 2 g + 1. By single loads: a gather takes twice as long.
template <PanelFormat f, int g>
inline TwoSteps LookUp(const uint8_t* panel, const uint64_t* codebook) {
  const Numbers<f, g> n(panel);
  const auto pair = [&](int lane) {
    return _mm_set_epi64x(static_cast<int64_t>(codebook[n(lane + 1)]),
                          static_cast<int64_t>(codebook[n(lane)]));
  };
  const __m256 outer = _mm256_castsi256_ps(_mm256_set_m128i(pair(4), pair(0)));
  const __m256 inner = _mm256_castsi256_ps(_mm256_set_m128i(pair(6), pair(2)));
  return {{_mm256_castps_si256(_mm256_shuffle_ps(outer, inner, 0x88)),
           _mm256_castps_si256(_mm256_shuffle_ps(outer, inner, 0xdd))}};
}
template <PanelFormat f, int k>
inline __m256i LookUpStep(const uint8_t* panel, const uint32_t* codebook) {
  const Numbers<f, k> n(panel);
  const auto entry = [&](int lane) { return static_cast<int>(codebook[n(lane)]); };
  return _mm256_setr_epi32(entry(0), entry(1), entry(2), entry(3), entry(4), entry(5), entry(6),
                           entry(7));
}
template <PanelFormat f, int g>
inline TwoSteps LookUp(const uint8_t* panel, const uint32_t* codebook) {
  return {{LookUpStep<f, 2 * g>(panel, codebook), LookUpStep<f, 2 * g + 1>(panel, codebook)}};
}

// The magnitudes of steps 2 g and 2 g + 1 of a panel of entries.
template <PanelFormat f, int g>
inline TwoSteps Magnitudes(const uint8_t* panel) {
  if constexpr (f.code == CodeShape::kEntries256Of8) return LookUp<f, g>(panel, kIq2XxsCodebook);
  if constexpr (f.code == CodeShape::kEntries512Of8) return LookUp<f, g>(panel, kIq2XsCodebook);
  if constexpr (f.code == CodeShape::kEntries1024Of8) return LookUp<f, g>(panel, kIq2SCodebook);
  if constexpr (f.code == CodeShape::kEntries256Of4) return LookUp<f, g>(panel, kIq3XxsCodebook);
  if constexpr (f.code == CodeShape::kEntries512Of4) return LookUp<f, g>(panel, kIq3SCodebook);
}

// The signed codes of step k of a panel of entries.
template <PanelFormat f, int k>
inline __m256i EntryCodes(const uint8_t* panel) {
  __m256i signs = SignPlane<f>(panel);
  if constexpr (k < 7) signs = _mm256_slli_epi16(signs, 7 - k);
  // The top bit of every byte decides; a byte of zeros would make the code zero.
  return _mm256_sign_epi8(Magnitudes<f, k / 2>(panel).step[k % 2],
                          _mm256_or_si256(signs, _mm256_set1_epi8(1)));
}

// The codes of step k of a panel.
template <PanelFormat f, int k>
inline __m256i Codes(const uint8_t* panel) {
  if constexpr (HasEntries(f)) {
    return EntryCodes<f, k>(panel);
  } else if constexpr (CodeBits(f) == 8) {
    return Load(panel + 32 * k);
  } else if constexpr (CodeBits(f) == 1) {
    return OneBit<k, 1>(Load(panel));  // twice the bit
  } else if constexpr (CodeBits(f) < 4) {
    __m256i codes = TwoBits<k % 4, 0>(Load(panel + 32 * (k / 4)));
    if constexpr (CodeBits(f) == 3) codes = _mm256_or_si256(codes, OneBit<k, 2>(Load(panel + 64)));
    return codes;
  } else {
    __m256i codes = Load(panel + 32 * (k % 4));
    if constexpr (k >= 4) codes = _mm256_srli_epi16(codes, 4);
    codes = _mm256_and_si256(codes, _mm256_set1_epi8(15));
    if constexpr (CodeBits(f) == 5) codes = _mm256_or_si256(codes, OneBit<k, 4>(Load(panel + 128)));
    if constexpr (CodeBits(f) == 6)
      codes = _mm256_or_si256(codes, TwoBits<k % 4, 4>(Load(panel + 128 + 32 * (k / 4))));
    if constexpr (f.code == CodeShape::kFloatTable)
      codes = _mm256_shuffle_epi8(Table(kFloatTable), codes);
    if constexpr (f.code == CodeShape::kCurveTable)
      codes = _mm256_shuffle_epi8(Table(kCurveTable), codes);
    return codes;
  }
}

// 8 f16 to f32.
inline __m256 HalfToFloat(const uint8_t* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
// 8 unsigned bytes to f32.
inline __m256 BytesToFloat(const uint8_t* p) {
  return _mm256_cvtepi32_ps(
      _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
// 8 signed bytes to f32.
inline __m256 SignedBytesToFloat(const uint8_t* p) {
  return _mm256_cvtepi32_ps(
      _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
// 2^(e - 128) for 8 bytes e: the exponent field holds e - 1, and below that the value is subnormal.
inline __m256 PowersOfTwo(const uint8_t* p) {
  const __m256i e = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  const __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
  const __m256i subnormal =
      _mm256_add_epi32(_mm256_slli_epi32(e, 21), _mm256_set1_epi32(0x00200000));
  return _mm256_castsi256_ps(_mm256_max_epi32(normal, subnormal));
}
// 8 floats of 8 bits (sign ignored, four bits of exponent, three of mantissa, 0x7f is zero),
// divided by 256: so much less is the bias of the float16 that they are made.
inline __m256 SmallFloats(const uint8_t* p) {
  const __m128i bytes = _mm_cvtepu8_epi16(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  const __m128i none = _mm_cmpeq_epi16(bytes, _mm_set1_epi16(0x7f));
  const __m128i half = _mm_slli_epi16(_mm_and_si128(bytes, _mm_set1_epi16(0x7f)), 7);
  return _mm256_cvtph_ps(_mm_andnot_si128(none, half));
}
// 8 signed bytes, each as two equal 16-bit integers: a factor for pairs in madd.
inline __m256i BytesToPairs(const uint8_t* p) {
  const __m256i wide = _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  return _mm256_or_si256(_mm256_and_si256(wide, _mm256_set1_epi32(0xffff)),
                         _mm256_slli_epi32(wide, 16));
}
// The same of the low (0) or the high (1) nibbles of 8 bytes.
template <int nibble>
inline __m256i NibblesToPairs(const uint8_t* p) {
  const __m256i bytes = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  const __m256i wide =
      nibble == 0 ? _mm256_and_si256(bytes, _mm256_set1_epi32(15)) : _mm256_srli_epi32(bytes, 4);
  return _mm256_or_si256(wide, _mm256_slli_epi32(wide, 16));
}

// The factors of one half of 32 columns, for 8 rows of panel p: pairs of 16 bits, or f32.
template <PanelFormat f>
inline __m256i HalfScale(const uint8_t* sub_record, int half, uint32_t p) {
  const uint8_t* at = sub_record + 32 * half + kLanes * p;
  if constexpr (HasFloatHalves(f)) return _mm256_castps_si256(SmallFloats(at));
  if constexpr (HasHalfMins(f)) return NibblesToPairs<0>(at);
  if constexpr (f.scale == ScaleShape::kHalfEighths) {
    const uint8_t* nibbles = sub_record + kLanes * p;
    const __m256i n = half == 0 ? NibblesToPairs<0>(nibbles) : NibblesToPairs<1>(nibbles);
    return _mm256_add_epi16(_mm256_add_epi16(n, n), _mm256_set1_epi16(1));
  }
  return BytesToPairs(at);
}
// The minima, where halves have some.
inline __m256i HalfMin(const uint8_t* sub_record, int half, uint32_t p) {
  return NibblesToPairs<1>(sub_record + 32 * half + kLanes * p);
}

// The f32 scale (and negated minimum) of the 8 rows of panel p for sub-block `sub` of a record.
// d * sc is exact: 11 bits times 6.
template <PanelFormat f>
inline __m256 ScaleOf(const uint8_t* record, const uint8_t* sub_record, uint32_t p) {
  if constexpr (f.scale == ScaleShape::kPowerOfTwo) return PowersOfTwo(record + kLanes * p);
  // The table is doubled, and SmallFloats divides by 256.
  if constexpr (HasFloatHalves(f)) return _mm256_set1_ps(128.0f);
  const __m256 d = HalfToFloat(record + 2 * kLanes * p);
  if constexpr (f.scale == ScaleShape::kSubScaleAndMin)
    return _mm256_mul_ps(d, BytesToFloat(sub_record + kLanes * p));
  if constexpr (f.scale == ScaleShape::kSubScale)
    return _mm256_mul_ps(d, SignedBytesToFloat(sub_record + kLanes * p));
  if constexpr (HasScalesBesideSigns(f)) {
    constexpr float kUnit = f.scale == ScaleShape::kEighths ? 0.125f : 0.25f;
    const __m256i n = BesideSigns<f>(sub_record + SubHeaderBytes(f) + p * kPanelBytes<f>);
    const __m256i odd = _mm256_add_epi32(_mm256_add_epi32(n, n), _mm256_set1_epi32(1));
    return _mm256_mul_ps(_mm256_mul_ps(d, _mm256_set1_ps(kUnit)), _mm256_cvtepi32_ps(odd));
  }
  if constexpr (f.scale == ScaleShape::kHalfEighths)
    return _mm256_mul_ps(d, _mm256_set1_ps(0.125f));
  return d;
}
template <PanelFormat f>
inline __m256 MinOf(const uint8_t* record, const uint8_t* sub_record, uint32_t p) {
  const __m256 m = HalfToFloat(record + 64 + 2 * kLanes * p);
  if constexpr (HasHalfMins(f)) return m;  // the integers bring the sign
  if constexpr (f.scale == ScaleShape::kSubScaleAndMin) {
    const __m256 negative = _mm256_xor_ps(m, _mm256_set1_ps(-0.0f));
    return _mm256_mul_ps(negative, BytesToFloat(sub_record + 32 + kLanes * p));
  }
  return m;
}

// One row of activations from a block on.
struct RowPointers {
  const int8_t* values;
  const float* scales;
  const float* sums;
  const int16_t* pair_sums;
};

// What the 16-bit accumulator of a block starts with, from the (negated) pair sums: the codes'
// offset taken away, so that the sum of eight products stays within 16 bits. 5-bit codes are
// centred even when the type has no offset (kUncentre gives it back).
template <PanelFormat f>
inline __m256i StartOfBlock(const int16_t* pair_sums) {
  if constexpr (CodeBits(f) == 5) return _mm256_slli_epi16(Broadcast32(pair_sums), 4);
  if constexpr (CodeOffset(f) == 1) return Broadcast32(pair_sums);
  if constexpr (f.code == CodeShape::kU4Minus8) return _mm256_slli_epi16(Broadcast32(pair_sums), 3);
  if constexpr (f.code == CodeShape::kFloatTable)
    return _mm256_mullo_epi16(Broadcast32(pair_sums), _mm256_set1_epi16(kFloatTableOffset));
  return _mm256_setzero_si256();
}
// The same of one half.
template <PanelFormat f>
inline __m256i StartOfHalf(const int16_t* pair_sums, int half) {
  if constexpr (CodeOffset(f) == 0) return _mm256_setzero_si256();
  return _mm256_mullo_epi16(Broadcast32(pair_sums + 2 + 2 * half),
                            _mm256_set1_epi16(CodeOffset(f)));
}
// A half's sums times its factors. Integers are still to be converted (DotToFloat).
template <PanelFormat f>
inline __m256i ScaleHalf(__m256i sums, __m256i factors) {
  if constexpr (!HasFloatHalves(f)) return _mm256_madd_epi16(sums, factors);
  const __m256 whole = _mm256_cvtepi32_ps(_mm256_madd_epi16(sums, _mm256_set1_epi16(1)));
  return _mm256_castps_si256(_mm256_mul_ps(whole, _mm256_castsi256_ps(factors)));
}
// The first half, scaled, and the second half's sums times its factors.
template <PanelFormat f>
inline __m256i AddScaledHalf(__m256i first, __m256i sums, __m256i factors) {
  if constexpr (!HasFloatHalves(f))
    return _mm256_add_epi32(first, _mm256_madd_epi16(sums, factors));
  const __m256 whole = _mm256_cvtepi32_ps(_mm256_madd_epi16(sums, _mm256_set1_epi16(1)));
  return _mm256_castps_si256(
      _mm256_fmadd_ps(whole, _mm256_castsi256_ps(factors), _mm256_castsi256_ps(first)));
}
template <PanelFormat f>
inline __m256 DotToFloat(__m256i dot) {
  if constexpr (HasFloatHalves(f)) return _mm256_castsi256_ps(dot);
  return _mm256_cvtepi32_ps(dot);
}
// Minus the sum over both halves of minimum times sum of x.
inline __m256i HalfMinsDot(const int16_t* pair_sums, __m256i min0, __m256i min1) {
  return _mm256_add_epi32(_mm256_madd_epi16(Broadcast32(pair_sums + 2), min0),
                          _mm256_madd_epi16(Broadcast32(pair_sums + 4), min1));
}
template <PanelFormat f>
constexpr bool kUncentre = f.code == CodeShape::kU5;
// -16 times the sum of the block's integers.
inline __m256i CentreOfBlock(const int16_t* pair_sums) {
  return _mm256_madd_epi16(Broadcast32(pair_sums), _mm256_set1_epi16(16));
}

}  // namespace
}  // namespace infe::kernels::avx2

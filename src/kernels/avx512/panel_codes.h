// From packed panels to vectors of codes and scales (panels/layout.h), 16 rows x 4 columns a
// vector. Included by avx512/*.cc only, with internal linkage, as avx2/panel_codes.h explains.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/avx512/intrinsics.h"
#include "kernels/panels/by_format.h"
#include "kernels/quant/codebooks.h"

namespace infe::kernels::INFE_AVX512_NAMESPACE {
namespace {

constexpr uint32_t kLanes = 16;
constexpr uint32_t kPanels = kPanelStripeRows / kLanes;

template <PanelFormat f>
constexpr uint32_t kPanelBytes = kLanes * PanelBytesPerLane(f);

// What is added to signed codes to make them unsigned, and the other offsets: what a product of
// unsigned codes has too much, in units of the sum of x.
template <PanelFormat f>
constexpr int kOffset = HasSignedCodes(f) ? 128 : CodeOffset(f);

inline __m512i Load(const void* p) {
  return _mm512_loadu_si512(p);
}
inline __m512i Broadcast32(const void* p) {
  int32_t word;
  __builtin_memcpy(&word, p, sizeof word);
  return _mm512_set1_epi32(word);
}

// 16 bytes for a look-up by nibbles.
inline __m512i Table(const void* entries) {
  return _mm512_broadcast_i32x4(_mm_loadu_si128(static_cast<const __m128i*>(entries)));
}

// Bits of every byte from `from` on, moved so that they begin with bit `to`; others stay around.
template <int from, int to>
inline __m512i MoveBits(__m512i plane) {
  if constexpr (from < to) return _mm512_slli_epi16(plane, to - from);
  if constexpr (from > to) return _mm512_srli_epi16(plane, from - to);
  return plane;
}
// codes | (plane & mask).
inline __m512i OrMasked(__m512i codes, __m512i plane, int mask) {
  return _mm512_ternarylogic_epi32(plane, _mm512_set1_epi8(static_cast<char>(mask)), codes, 0xea);
}

inline __m512i WidenBytes(const uint8_t* p) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

// Panels of entries, as avx2/panel_codes.h explains: the signs, and what stands beside them.
template <PanelFormat f>
inline __m512i SignPlane(const uint8_t* panel) {
  const __m512i plane = Load(panel + kLanes * EntryBytesPerLane(f));
  if constexpr (!HasEvenSigns(f)) return plane;
  const __m512i seven = _mm512_and_si512(plane, _mm512_set1_epi32(0x55ffffff));
  __m512i odd = _mm512_xor_si512(seven, _mm512_slli_epi32(seven, 8));
  odd = _mm512_xor_si512(odd, _mm512_slli_epi32(odd, 16));
  odd = _mm512_xor_si512(odd, _mm512_slli_epi32(odd, 1));
  return _mm512_or_si512(seven,
                         _mm512_and_si512(odd, _mm512_set1_epi32(static_cast<int>(0xaa000000))));
}
template <PanelFormat f>
inline __m512i BesideSigns(const uint8_t* panel) {
  const __m512i plane = Load(panel + kLanes * EntryBytesPerLane(f));
  __m512i bits = _mm512_and_si512(_mm512_srli_epi32(plane, 25), _mm512_set1_epi32(0x55));
  bits =
      _mm512_and_si512(_mm512_or_si512(bits, _mm512_srli_epi32(bits, 1)), _mm512_set1_epi32(0x33));
  return _mm512_and_si512(_mm512_or_si512(bits, _mm512_srli_epi32(bits, 2)),
                          _mm512_set1_epi32(0x0f));
}

// The numbers of entry i of each lane (of 4 or 8), as 32 bits.
template <PanelFormat f, int i>
inline __m512i EntryNumbers(const uint8_t* panel) {
  __m512i numbers = _mm512_and_si512(_mm512_srli_epi32(Load(panel + 64 * (i / 4)), i % 4 * 8),
                                     _mm512_set1_epi32(0xff));
  if constexpr (f.code == CodeShape::kEntries512Of8) {
    const __m512i plane = Load(panel + kLanes * EntryBytesPerLane(f));
    numbers = _mm512_or_si512(
        numbers,
        _mm512_and_si512(_mm512_srli_epi32(plane, 25 + 2 * (i % 4) - 8), _mm512_set1_epi32(0x100)));
  }
  if constexpr (RestBytesPerLane(f) != 0) {
    constexpr int kUpper = f.code == CodeShape::kEntries1024Of8 ? 2 : 1;
    const __m512i rest = WidenBytes(panel + kLanes * (EntryBytesPerLane(f) + 4));
    numbers =
        _mm512_or_si512(numbers, _mm512_and_si512(_mm512_slli_epi32(rest, 8 - kUpper * i),
                                                  _mm512_set1_epi32(((1 << kUpper) - 1) << 8)));
  }
  return numbers;
}

// Words of a codebook, four values each; of an entry of eight the lower or the upper half.
template <PanelFormat f, int half>
inline __m512i Magnitudes(__m512i numbers) {
  const auto look_up = [&](const void* codebook) {
    const void* words = static_cast<const uint8_t*>(codebook) + 4 * half;
    return _mm512_i32gather_epi32(numbers, words, EntryLength(f));
  };
  if constexpr (f.code == CodeShape::kEntries256Of8) return look_up(kIq2XxsCodebook);
  if constexpr (f.code == CodeShape::kEntries512Of8) return look_up(kIq2XsCodebook);
  if constexpr (f.code == CodeShape::kEntries1024Of8) return look_up(kIq2SCodebook);
  if constexpr (f.code == CodeShape::kEntries256Of4) return look_up(kIq3XxsCodebook);
  if constexpr (f.code == CodeShape::kEntries512Of4) return look_up(kIq3SCodebook);
}

// The codes of step k of a panel of entries, made unsigned by 128.
template <PanelFormat f, int k>
inline __m512i EntryCodes(const uint8_t* panel) {
  constexpr int kHalf = EntryLength(f) == 8 ? k % 2 : 0;
  constexpr int kEntry = EntryLength(f) == 8 ? k / 2 : k;
  const __m512i magnitudes = Magnitudes<f, kHalf>(EntryNumbers<f, kEntry>(panel));
  __m512i negative = MoveBits<k, 0>(SignPlane<f>(panel));
  negative = _mm512_and_si512(negative, _mm512_set1_epi8(1));
  const __m512i ones = _mm512_sub_epi8(_mm512_setzero_si512(), negative);
  const __m512i codes = _mm512_add_epi8(_mm512_xor_si512(magnitudes, ones), negative);
  return _mm512_xor_si512(codes, _mm512_set1_epi8(static_cast<char>(0x80)));
}

// The unsigned codes of step k of a panel.
template <PanelFormat f, int k>
inline __m512i Codes(const uint8_t* panel) {
  if constexpr (HasEntries(f)) {
    return EntryCodes<f, k>(panel);
  } else if constexpr (CodeBits(f) == 8) {
    return _mm512_xor_si512(Load(panel + 64 * k), _mm512_set1_epi8(static_cast<char>(0x80)));
  } else if constexpr (CodeBits(f) == 1) {
    const __m512i twice = MoveBits<k, 1>(Load(panel));
    return _mm512_and_si512(twice, _mm512_set1_epi8(2));
  } else if constexpr (CodeBits(f) < 4) {
    __m512i codes = MoveBits<k % 4 * 2, 0>(Load(panel + 64 * (k / 4)));
    codes = _mm512_and_si512(codes, _mm512_set1_epi8(3));
    if constexpr (CodeBits(f) == 3)
      codes = OrMasked(codes, MoveBits<k, 2>(Load(panel + 128)), 0x04);
    return codes;
  } else {
    __m512i codes = Load(panel + 64 * (k % 4));
    if constexpr (k >= 4) codes = _mm512_srli_epi16(codes, 4);
    codes = _mm512_and_si512(codes, _mm512_set1_epi8(15));
    if constexpr (CodeBits(f) == 5)
      codes = OrMasked(codes, MoveBits<k, 4>(Load(panel + 256)), 0x10);
    if constexpr (CodeBits(f) == 6)
      codes = OrMasked(codes, MoveBits<k % 4 * 2, 4>(Load(panel + 256 + 64 * (k / 4))), 0x30);
    if constexpr (f.code == CodeShape::kFloatTable)
      codes = _mm512_shuffle_epi8(Table(kFloatTable), codes);
    if constexpr (f.code == CodeShape::kCurveTable)
      codes = _mm512_xor_si512(_mm512_shuffle_epi8(Table(kCurveTable), codes),
                               _mm512_set1_epi8(static_cast<char>(0x80)));
    return codes;
  }
}

inline __m512 HalfToFloat(const uint8_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline __m512 BytesToFloat(const uint8_t* p) {
  return _mm512_cvtepi32_ps(WidenBytes(p));
}
inline __m512 SignedBytesToFloat(const uint8_t* p) {
  return _mm512_cvtepi32_ps(
      _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}

// 16 floats of 8 bits, divided by 256, as avx2/panel_codes.h says.
inline __m512 SmallFloats(const uint8_t* p) {
  const __m256i bytes = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  const __m256i none = _mm256_cmpeq_epi16(bytes, _mm256_set1_epi16(0x7f));
  const __m256i half = _mm256_slli_epi16(_mm256_and_si256(bytes, _mm256_set1_epi16(0x7f)), 7);
  return _mm512_cvtph_ps(_mm256_andnot_si256(none, half));
}

// 2^(e - 128) for 16 bytes e, as avx2/panel_codes.h says.
inline __m512 PowersOfTwo(const uint8_t* p) {
  const __m512i e = WidenBytes(p);
  const __m512i normal = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), 23);
  const __m512i subnormal =
      _mm512_add_epi32(_mm512_slli_epi32(e, 21), _mm512_set1_epi32(0x00200000));
  return _mm512_castsi512_ps(_mm512_max_epi32(normal, subnormal));
}

// The f32 scale (and negated minimum) of the 16 rows of panel p; d * sc is exact.
template <PanelFormat f>
inline __m512 ScaleOf(const uint8_t* record, const uint8_t* sub_record, uint32_t p) {
  if constexpr (f.scale == ScaleShape::kPowerOfTwo) return PowersOfTwo(record + kLanes * p);
  // The table is doubled, and SmallFloats divides by 256.
  if constexpr (HasFloatHalves(f)) return _mm512_set1_ps(128.0f);
  const __m512 d = HalfToFloat(record + 2 * kLanes * p);
  if constexpr (f.scale == ScaleShape::kSubScaleAndMin)
    return _mm512_mul_ps(d, BytesToFloat(sub_record + kLanes * p));
  if constexpr (f.scale == ScaleShape::kSubScale)
    return _mm512_mul_ps(d, SignedBytesToFloat(sub_record + kLanes * p));
  if constexpr (HasScalesBesideSigns(f)) {
    constexpr float kUnit = f.scale == ScaleShape::kEighths ? 0.125f : 0.25f;
    const __m512i n = BesideSigns<f>(sub_record + SubHeaderBytes(f) + p * kPanelBytes<f>);
    const __m512i odd = _mm512_add_epi32(_mm512_add_epi32(n, n), _mm512_set1_epi32(1));
    return _mm512_mul_ps(_mm512_mul_ps(d, _mm512_set1_ps(kUnit)), _mm512_cvtepi32_ps(odd));
  }
  if constexpr (f.scale == ScaleShape::kHalfEighths)
    return _mm512_mul_ps(d, _mm512_set1_ps(0.125f));
  return d;
}
template <PanelFormat f>
inline __m512 MinOf(const uint8_t* record, const uint8_t* sub_record, uint32_t p) {
  const __m512 m = HalfToFloat(record + 64 + 2 * kLanes * p);
  if constexpr (HasHalfMins(f)) return m;  // the integers bring the sign
  if constexpr (f.scale == ScaleShape::kSubScaleAndMin) {
    const __m512 factor = BytesToFloat(sub_record + 32 + kLanes * p);
    return _mm512_mul_ps(_mm512_sub_ps(_mm512_setzero_ps(), factor), m);
  }
  return m;
}

// The factors of one half of 32 columns, for 16 rows of panel p.
template <PanelFormat f>
inline __m512 HalfScale(const uint8_t* sub_record, int half, uint32_t p) {
  if constexpr (f.scale == ScaleShape::kHalfEighths) {
    const __m512i nibbles = _mm512_and_si512(
        _mm512_srli_epi32(WidenBytes(sub_record + kLanes * p), static_cast<uint32_t>(4 * half)),
        _mm512_set1_epi32(15));
    return _mm512_cvtepi32_ps(
        _mm512_add_epi32(_mm512_add_epi32(nibbles, nibbles), _mm512_set1_epi32(1)));
  }
  const uint8_t* at = sub_record + 32 * half + kLanes * p;
  if constexpr (HasFloatHalves(f)) return SmallFloats(at);
  if constexpr (!HasHalfMins(f)) return SignedBytesToFloat(at);
  const __m512i bytes = WidenBytes(at);
  return _mm512_cvtepi32_ps(_mm512_and_si512(bytes, _mm512_set1_epi32(15)));
}
// The minima, where halves have some: as two equal 16-bit integers, a factor for pairs in madd.
inline __m512i HalfMin(const uint8_t* sub_record, int half, uint32_t p) {
  const uint8_t* at = sub_record + 32 * half + kLanes * p;
  const __m512i bytes = WidenBytes(at);
  const __m512i mins = _mm512_srli_epi32(bytes, 4);
  return _mm512_or_si512(mins, _mm512_slli_epi32(mins, 16));
}

// Rows of activations: row t at values + t * cols, its blocks at t * cols / 32.
struct Rows {
  const int8_t* values;
  const float* scales;
  const float* sums;
  const int16_t* pair_sums;
  size_t cols;
  inline Rows Row(uint32_t t) const {
    const size_t at = size_t{t} * cols;
    return {values + at, scales + at / 32, sums + at / 32, pair_sums + at / 4, cols};
  }
  inline Rows Block(uint32_t b) const {
    return {values + size_t{b} * 32, scales + b, sums + b, pair_sums + size_t{b} * 8, cols};
  }
};

}  // namespace
}  // namespace infe::kernels::INFE_AVX512_NAMESPACE

// The packed layout of the vector kernels: one vector lane is one output row, so products need no
// horizontal sums. A stripe of 32 output rows is one linear stream of records, one record per block
// of the GGUF type (32 or 256 columns), 32 / L panels of L rows in each (L = 8 lanes on AVX2, 16 on
// AVX-512):
//
//   types with blocks of 32    [d: f16 x 32 rows] [m: f16 x 32, if any] [panel 0] [panel 1] ...
//   powers of two              [e: u8 x 32] [panel 0] [panel 1] ...
//   types with blocks of 256   [d: f16 x 32] [dmin: f16 x 32, if any] then 8 times
//                              [32 or 64 bytes of sub-scales] [panel 0] [panel 1] ...
//   float types                for each column, 32 values
//
// Sub-scales: Q4_K, Q5_K: 32 scales, 32 minima, a byte each; Q6_K: 32 scales of the first 16
// columns, 32 of the second 16; IQ4_XS: 32 scales.
//
// A panel holds L rows x 32 columns as vectors of 4 L bytes. Step k (0..7) stands for columns
// 4 k .. 4 k + 3; in its vector, byte 4 r + t is column 4 k + t of row r.
//   4 bits  vector v (0..3): low nibbles are step v, high nibbles step 4 + v
//   5 bits  ... and one more vector: bit k of byte i is the fifth bit of byte i of step k
//   6 bits  ... or two: vector h, bits 2 j and 2 j + 1 of byte i belong to byte i of step 4 h + j
//   8 bits  vector k is step k
//
// Plain constants and pointers only, with internal linkage: this header is compiled with every
// ISA's flags.
#pragma once

#include <cstddef>
#include <cstdint>

namespace infe::kernels {

// What a code is before its scale: how many bits it has in the panels, and what is subtracted.
// The last two are numbers of a table's 16 entries: FloatTable's are small enough to be summed up
// in 16 bits, as unsigned numbers with an offset; CurveTable's take a signed byte each.
enum class CodeShape : uint8_t {
  kU4,
  kU4Minus8,
  kU5,
  kU5Minus16,
  kU6Minus32,
  kS8,
  kFloatTable,
  kCurveTable,
};

// What codes are multiplied with, and what is added.
enum class ScaleShape : uint8_t {
  kScale,           // blocks of 32: d
  kScaleAndMin,     // blocks of 32: d and m
  kSubScaleAndMin,  // blocks of 256: d and dmin, times an unsigned byte each for every 32 columns
  kHalfScales,      // blocks of 256: d, times a signed byte for every 16 columns
  kSubScale,        // blocks of 256: d, times a signed byte for every 32 columns
  kPowerOfTwo,      // blocks of 32: 2^(e - 128)
};

// A type is a pair of the two: the kernels ask for one or the other, never for the type.
struct PanelFormat {
  CodeShape code;
  ScaleShape scale;
};

inline constexpr PanelFormat kPanelQ8_0 = {CodeShape::kS8, ScaleShape::kScale};
inline constexpr PanelFormat kPanelQ4_0 = {CodeShape::kU4Minus8, ScaleShape::kScale};
inline constexpr PanelFormat kPanelQ4_1 = {CodeShape::kU4, ScaleShape::kScaleAndMin};
inline constexpr PanelFormat kPanelQ5_0 = {CodeShape::kU5Minus16, ScaleShape::kScale};
inline constexpr PanelFormat kPanelQ5_1 = {CodeShape::kU5, ScaleShape::kScaleAndMin};
inline constexpr PanelFormat kPanelQ4_K = {CodeShape::kU4, ScaleShape::kSubScaleAndMin};
inline constexpr PanelFormat kPanelQ5_K = {CodeShape::kU5, ScaleShape::kSubScaleAndMin};
inline constexpr PanelFormat kPanelQ6_K = {CodeShape::kU6Minus32, ScaleShape::kHalfScales};
inline constexpr PanelFormat kPanelMxfp4 = {CodeShape::kFloatTable, ScaleShape::kPowerOfTwo};
inline constexpr PanelFormat kPanelIq4Nl = {CodeShape::kCurveTable, ScaleShape::kScale};
inline constexpr PanelFormat kPanelIq4Xs = {CodeShape::kCurveTable, ScaleShape::kSubScale};

// Twice a float of two exponent bits and one of mantissa, and the sign; plus kFloatTableOffset.
inline constexpr int kFloatTableOffset = 12;
inline constexpr uint8_t kFloatTable[16] = {12, 13, 14, 15, 16, 18, 20, 24,
                                            12, 11, 10, 9,  8,  6,  4,  0};
// IQ4_NL's sixteen levels, which lie as values of a bell curve do.
inline constexpr int8_t kCurveTable[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                           1,    13,   25,  38,  53,  69,  89,  113};

inline constexpr uint32_t kPanelStripeRows = 32;

namespace {

constexpr uint32_t CodeBits(PanelFormat f) {
  switch (f.code) {
    case CodeShape::kU4:
    case CodeShape::kU4Minus8:
    case CodeShape::kFloatTable:
    case CodeShape::kCurveTable:
      return 4;
    case CodeShape::kU5:
    case CodeShape::kU5Minus16:
      return 5;
    case CodeShape::kU6Minus32:
      return 6;
    case CodeShape::kS8:
      return 8;
  }
  return 0;
}
// Subtracted from every code.
constexpr int CodeOffset(PanelFormat f) {
  switch (f.code) {
    case CodeShape::kU4Minus8:
      return 8;
    case CodeShape::kU5Minus16:
      return 16;
    case CodeShape::kU6Minus32:
      return 32;
    case CodeShape::kFloatTable:
      return kFloatTableOffset;
    case CodeShape::kU4:
    case CodeShape::kU5:
    case CodeShape::kS8:
    case CodeShape::kCurveTable:
      return 0;
  }
  return 0;
}
constexpr bool HasSignedCodes(PanelFormat f) {
  return f.code == CodeShape::kS8 || f.code == CodeShape::kCurveTable;
}
constexpr bool HasMin(PanelFormat f) {
  return f.scale == ScaleShape::kScaleAndMin || f.scale == ScaleShape::kSubScaleAndMin;
}
constexpr bool HasHalfScales(PanelFormat f) {
  return f.scale == ScaleShape::kHalfScales;
}
// Blocks of 32 columns in a record; more than one have sub-scales.
constexpr uint32_t SubBlocks(PanelFormat f) {
  return f.scale == ScaleShape::kSubScaleAndMin || f.scale == ScaleShape::kSubScale ||
                 HasHalfScales(f)
             ? 8
             : 1;
}
constexpr bool HasSubScales(PanelFormat f) {
  return SubBlocks(f) > 1;
}

constexpr uint32_t PanelBytesPerLane(PanelFormat f) {
  return CodeBits(f) * 4;
}
// The scales (and minima) that open a record.
constexpr uint32_t RecordHeaderBytes(PanelFormat f) {
  if (f.scale == ScaleShape::kPowerOfTwo) return 32;
  return HasMin(f) ? 128 : 64;
}
constexpr uint32_t SubHeaderBytes(PanelFormat f) {
  if (f.scale == ScaleShape::kSubScale) return 32;
  return HasSubScales(f) ? 64 : 0;
}
// The sub-header and the panels of 32 columns.
constexpr uint32_t SubRecordBytes(PanelFormat f) {
  return SubHeaderBytes(f) + kPanelStripeRows * PanelBytesPerLane(f);
}
constexpr uint32_t RecordBytes(PanelFormat f) {
  return RecordHeaderBytes(f) + SubBlocks(f) * SubRecordBytes(f);
}
constexpr size_t StripeBytes(PanelFormat f, uint32_t cols) {
  return size_t{cols} / (32 * SubBlocks(f)) * RecordBytes(f);
}

// A position in a stripe's stream of records: where the record's scales stand, and the part of 32
// columns.
template <PanelFormat f>
struct Cursor {
  const uint8_t* record;
  const uint8_t* sub_record;
  uint32_t sub = 0;
  explicit Cursor(const uint8_t* stripe)
      : record(stripe), sub_record(stripe + RecordHeaderBytes(f)) {}
  inline void Next() {
    sub_record += SubRecordBytes(f);
    if (!HasSubScales(f) || ++sub == SubBlocks(f)) {
      sub = 0;
      record = sub_record;
      sub_record += RecordHeaderBytes(f);
    }
  }
};

}  // namespace
}  // namespace infe::kernels

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
// Sub-scales: Q4_K, Q5_K: 32 scales, 32 minima, a byte each; Q3_K, Q6_K: 32 scales of the first 16
// columns, 32 of the second 16; Q2_K: the same, a scale and a minimum to a byte; IQ3_S,
// IQ4_XS: 32 scales; IQ2_XS, IQ2_S: 32 bytes, a nibble for each 16 columns.
//
// A panel holds L rows x 32 columns as vectors of 4 L bytes. Step k (0..7) stands for columns
// 4 k .. 4 k + 3; in its vector, byte 4 r + t is column 4 k + t of row r.
//   1 bit   one vector: bit k of byte i belongs to byte i of step k
//   2 bits  vector h (0..1): bits 2 j and 2 j + 1 of byte i belong to byte i of step 4 h + j
//   3 bits  ... and one more vector: bit k of byte i is the third bit of byte i of step k
//   4 bits  vector v (0..3): low nibbles are step v, high nibbles step 4 + v
//   5 bits  ... and one more vector: bit k of byte i is the fifth bit of byte i of step k
//   6 bits  ... or two, which hold the upper bits as those of 2 bits lie
//   8 bits  vector k is step k
//
// Codes that are numbers of codebook entries (quant/codebooks.h) stand row by row:
//   of 8 values  a vector of numbers: byte g of lane r is the lower part of the number of columns
//                8 g .. 8 g + 7
//   of 4 values  two: byte j of lane r in vector h is that of step 4 h + j
//   signs        one more: bit k of byte i is set where byte i of step k is negative. Where the
//                eighth sign of eight columns follows from the others, the odd bits of byte 3 hold
//                something else: IQ2_XXS, IQ3_XXS: the sub-scale; IQ2_XS: the numbers' ninth bits
//   rest         IQ2_S, IQ3_S: a byte for each lane. Bits 2 g and 2 g + 1 are the upper two of
//                number g; bit k is the ninth of step k
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
  kSigns,  // 1 bit: 2 q - 1
  kU2,
  kU2Minus1,
  kU3Minus4,
  kU4,
  kU4Minus8,
  kU5,
  kU5Minus16,
  kU6Minus32,
  kS8,
  kFloatTable,
  kCurveTable,
  // Numbers of entries of a codebook, and signs: the codes are signed bytes.
  kEntries256Of8,
  kEntries512Of8,
  kEntries1024Of8,
  kEntries256Of4,
  kEntries512Of4,
};

// What codes are multiplied with, and what is added.
enum class ScaleShape : uint8_t {
  kScale,           // blocks of 32: d
  kScaleAndMin,     // blocks of 32: d and m
  kSubScaleAndMin,  // blocks of 256: d and dmin, times an unsigned byte each for every 32 columns
  kHalfScales,      // blocks of 256: d, times a signed byte for every 16 columns
  kHalfScalesAndMins,  // blocks of 256: d and dmin, times a nibble each for every 16 columns
  kHalfFloats,         // blocks of 64: floats of 8 bits for every 16 columns
  kScaleOf64,          // blocks of 64: d
  kScaleOf128,         // blocks of 128: d
  kScaleOf256,         // blocks of 256: d
  kSubScale,           // blocks of 256: d, times a signed byte for every 32 columns
  kEighths,      // blocks of 256: d / 8, times 2 n + 1 for every 32 columns, n beside the signs
  kQuarters,     // the same of d / 4
  kHalfEighths,  // blocks of 256: d / 8, times 2 n + 1 for every 16 columns
  kPowerOfTwo,   // blocks of 32: 2^(e - 128)
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
inline constexpr PanelFormat kPanelQ3_K = {CodeShape::kU3Minus4, ScaleShape::kHalfScales};
inline constexpr PanelFormat kPanelQ2_K = {CodeShape::kU2, ScaleShape::kHalfScalesAndMins};
inline constexpr PanelFormat kPanelIq3S = {CodeShape::kEntries512Of4, ScaleShape::kSubScale};
inline constexpr PanelFormat kPanelIq3Xxs = {CodeShape::kEntries256Of4, ScaleShape::kQuarters};
inline constexpr PanelFormat kPanelIq2S = {CodeShape::kEntries1024Of8, ScaleShape::kHalfEighths};
inline constexpr PanelFormat kPanelIq2Xs = {CodeShape::kEntries512Of8, ScaleShape::kHalfEighths};
inline constexpr PanelFormat kPanelIq2Xxs = {CodeShape::kEntries256Of8, ScaleShape::kEighths};
inline constexpr PanelFormat kPanelTernary = {CodeShape::kU2Minus1, ScaleShape::kScaleOf256};
inline constexpr PanelFormat kPanelQ1_0 = {CodeShape::kSigns, ScaleShape::kScaleOf128};
inline constexpr PanelFormat kPanelQ2_0 = {CodeShape::kU2Minus1, ScaleShape::kScaleOf64};
inline constexpr PanelFormat kPanelNvfp4 = {CodeShape::kFloatTable, ScaleShape::kHalfFloats};
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

// Values of a codebook's entry; 0: codes are numbers themselves.
constexpr uint32_t EntryLength(PanelFormat f) {
  switch (f.code) {
    case CodeShape::kEntries256Of8:
    case CodeShape::kEntries512Of8:
    case CodeShape::kEntries1024Of8:
      return 8;
    case CodeShape::kEntries256Of4:
    case CodeShape::kEntries512Of4:
      return 4;
    case CodeShape::kSigns:
    case CodeShape::kU2:
    case CodeShape::kU2Minus1:
    case CodeShape::kU3Minus4:
    case CodeShape::kU4:
    case CodeShape::kU4Minus8:
    case CodeShape::kU5:
    case CodeShape::kU5Minus16:
    case CodeShape::kU6Minus32:
    case CodeShape::kS8:
    case CodeShape::kFloatTable:
    case CodeShape::kCurveTable:
      return 0;
  }
  return 0;
}
constexpr bool HasEntries(PanelFormat f) {
  return EntryLength(f) != 0;
}
// The eighth sign of eight columns is that which makes their number even.
constexpr bool HasEvenSigns(PanelFormat f) {
  return f.code == CodeShape::kEntries256Of8 || f.code == CodeShape::kEntries512Of8 ||
         f.code == CodeShape::kEntries256Of4;
}
// The numbers are whole bytes.
constexpr bool HasNumbersOfOneByte(PanelFormat f) {
  return f.code == CodeShape::kEntries256Of8 || f.code == CodeShape::kEntries256Of4;
}
// Bytes of a lane that hold upper bits of entries' numbers.
constexpr uint32_t RestBytesPerLane(PanelFormat f) {
  return f.code == CodeShape::kEntries1024Of8 || f.code == CodeShape::kEntries512Of4 ? 1 : 0;
}

constexpr uint32_t CodeBits(PanelFormat f) {
  switch (f.code) {
    case CodeShape::kEntries256Of8:
    case CodeShape::kEntries512Of8:
    case CodeShape::kEntries1024Of8:
    case CodeShape::kEntries256Of4:
    case CodeShape::kEntries512Of4:
      return 8;  // once they are looked up
    case CodeShape::kSigns:
      return 1;
    case CodeShape::kU2:
    case CodeShape::kU2Minus1:
      return 2;
    case CodeShape::kU3Minus4:
      return 3;
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
    case CodeShape::kSigns:
    case CodeShape::kU2Minus1:
      return 1;
    case CodeShape::kU3Minus4:
      return 4;
    case CodeShape::kU4Minus8:
      return 8;
    case CodeShape::kU5Minus16:
      return 16;
    case CodeShape::kU6Minus32:
      return 32;
    case CodeShape::kFloatTable:
      return kFloatTableOffset;
    case CodeShape::kU2:
    case CodeShape::kU4:
    case CodeShape::kU5:
    case CodeShape::kS8:
    case CodeShape::kCurveTable:
    case CodeShape::kEntries256Of8:
    case CodeShape::kEntries512Of8:
    case CodeShape::kEntries1024Of8:
    case CodeShape::kEntries256Of4:
    case CodeShape::kEntries512Of4:
      return 0;
  }
  return 0;
}
constexpr bool HasSignedCodes(PanelFormat f) {
  return f.code == CodeShape::kS8 || f.code == CodeShape::kCurveTable || HasEntries(f);
}
// A minimum for every 16 columns: the integers of both halves are summed before they meet dmin.
constexpr bool HasHalfMins(PanelFormat f) {
  return f.scale == ScaleShape::kHalfScalesAndMins;
}
// The scales of halves are floats: so is their sum, with one rounding.
constexpr bool HasFloatHalves(PanelFormat f) {
  return f.scale == ScaleShape::kHalfFloats;
}
constexpr bool HasHalfScales(PanelFormat f) {
  return f.scale == ScaleShape::kHalfScales || HasFloatHalves(f) ||
         f.scale == ScaleShape::kHalfEighths || HasHalfMins(f);
}
// A minimum for every 32 columns: one more term, of the activations' sum.
constexpr bool HasMin(PanelFormat f) {
  return f.scale == ScaleShape::kScaleAndMin || f.scale == ScaleShape::kSubScaleAndMin;
}
// A scale for every 32 columns that stands beside the signs.
constexpr bool HasScalesBesideSigns(PanelFormat f) {
  return f.scale == ScaleShape::kEighths || f.scale == ScaleShape::kQuarters;
}
// Blocks of 32 columns in a record.
constexpr uint32_t SubBlocks(PanelFormat f) {
  switch (f.scale) {
    case ScaleShape::kScale:
    case ScaleShape::kScaleAndMin:
    case ScaleShape::kPowerOfTwo:
      return 1;
    case ScaleShape::kHalfFloats:
    case ScaleShape::kScaleOf64:
      return 2;
    case ScaleShape::kScaleOf128:
      return 4;
    case ScaleShape::kSubScaleAndMin:
    case ScaleShape::kHalfScales:
    case ScaleShape::kHalfScalesAndMins:
    case ScaleShape::kScaleOf256:
    case ScaleShape::kSubScale:
    case ScaleShape::kEighths:
    case ScaleShape::kQuarters:
    case ScaleShape::kHalfEighths:
      return 8;
  }
  return 0;
}
// The format whose tiles serve f once a chunk is unpacked: where codes and scales came from no
// longer shows there. An unpacked code is a signed byte or an unsigned one with an offset, a scale
// is a float for 32 columns or for 16, a minimum likewise. So 22 formats need 12 sets of tiles.
constexpr PanelFormat ChunkFormat(PanelFormat f) {
  if (HasSignedCodes(f)) f.code = CodeShape::kS8;
  if (CodeOffset(f) == 1) f.code = CodeShape::kU2Minus1;
  if (HasMin(f))
    f.scale = ScaleShape::kScaleAndMin;
  else if (!HasHalfScales(f))
    f.scale = ScaleShape::kScale;
  else if (!HasHalfMins(f) && !HasFloatHalves(f))
    f.scale = ScaleShape::kHalfScales;
  return f;
}
// Bytes of a lane's words of entries' numbers, behind which its signs are.
constexpr uint32_t EntryBytesPerLane(PanelFormat f) {
  return HasEntries(f) ? 32 / EntryLength(f) : 0;
}
constexpr uint32_t PanelBytesPerLane(PanelFormat f) {
  return HasEntries(f) ? EntryBytesPerLane(f) + 4 + RestBytesPerLane(f) : CodeBits(f) * 4;
}
// The scales (and minima) that open a record.
constexpr uint32_t RecordHeaderBytes(PanelFormat f) {
  if (f.scale == ScaleShape::kPowerOfTwo) return 32;
  if (f.scale == ScaleShape::kHalfFloats) return 0;
  return HasMin(f) || HasHalfMins(f) ? 128 : 64;
}
// The scales of 32 columns.
constexpr uint32_t SubHeaderBytes(PanelFormat f) {
  switch (f.scale) {
    case ScaleShape::kSubScale:
    case ScaleShape::kHalfEighths:
      return 32;
    case ScaleShape::kSubScaleAndMin:
    case ScaleShape::kHalfScales:
    case ScaleShape::kHalfScalesAndMins:
    case ScaleShape::kHalfFloats:
      return 64;
    case ScaleShape::kScale:
    case ScaleShape::kScaleAndMin:
    case ScaleShape::kPowerOfTwo:
    case ScaleShape::kScaleOf64:
    case ScaleShape::kScaleOf128:
    case ScaleShape::kScaleOf256:
    case ScaleShape::kEighths:
    case ScaleShape::kQuarters:
      return 0;
  }
  return 0;
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
    if (++sub == SubBlocks(f)) {
      sub = 0;
      record = sub_record;
      sub_record += RecordHeaderBytes(f);
    }
  }
};

}  // namespace
}  // namespace infe::kernels

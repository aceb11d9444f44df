// The packed layout of the vector kernels: one vector lane is one output row, so products need no
// horizontal sums. A stripe of 32 output rows is one linear stream of records, one record per block
// of the GGUF type (32 or 256 columns), 32 / L panels of L rows in each (L = 8 lanes on AVX2, 16 on
// AVX-512):
//
//   types with blocks of 32    [d: f16 x 32 rows] [m: f16 x 32, if any] [panel 0] [panel 1] ...
//   types with blocks of 256   [d: f16 x 32] [dmin: f16 x 32, if any] then 8 times
//                              [64 bytes of sub-scales] [panel 0] [panel 1] ...
//   float types                for each column, 32 values
//
// Sub-scales: Q4_K, Q5_K: 32 scales, 32 minima, a byte each; Q6_K: 32 scales of the first 16
// columns, 32 of the second 16.
//
// A panel holds L rows x 32 columns as vectors of 4 L bytes. Step k (0..7) stands for columns
// 4 k .. 4 k + 3; in its vector, byte 4 r + t is column 4 k + t of row r.
//   4 bits  vector v (0..3): low nibbles are step v, high nibbles step 4 + v
//   5 bits  ... and one more vector: bit k of byte i is the fifth bit of byte i of step k
//   6 bits  ... or two: vector h, bits 2 j and 2 j + 1 of byte i belong to byte i of step 4 h + j
//   8 bits  vector k is step k
//
// Plain constants only: this header is compiled with every ISA's flags.
#pragma once

#include <cstdint>

namespace infe::kernels {

struct PanelFormat {
  uint32_t code_bits;  // 4, 5, 6 or 8
  bool has_min;        // m or dmin
  bool is_super;       // blocks of 256 with sub-scales
  uint32_t offset;     // subtracted from every code
};

inline constexpr uint32_t kPanelStripeRows = 32;

constexpr uint32_t PanelBytesPerLane(const PanelFormat& f) {
  return f.code_bits == 4 ? 16 : f.code_bits == 5 ? 20 : f.code_bits == 6 ? 24 : 32;
}
// The f16 scales (and minima) that open a record.
constexpr uint32_t RecordHeaderBytes(const PanelFormat& f) {
  return f.has_min ? 128 : 64;
}
constexpr uint32_t SubHeaderBytes(const PanelFormat& f) {
  return f.is_super ? 64 : 0;
}
// The sub-header and the panels of 32 columns.
constexpr uint32_t SubRecordBytes(const PanelFormat& f) {
  return SubHeaderBytes(f) + kPanelStripeRows * PanelBytesPerLane(f);
}
constexpr uint32_t RecordBytes(const PanelFormat& f) {
  return RecordHeaderBytes(f) + (f.is_super ? 8 : 1) * SubRecordBytes(f);
}

inline constexpr PanelFormat kPanelQ8_0 = {8, false, false, 0};
inline constexpr PanelFormat kPanelQ4_0 = {4, false, false, 8};
inline constexpr PanelFormat kPanelQ4_1 = {4, true, false, 0};
inline constexpr PanelFormat kPanelQ5_0 = {5, false, false, 16};
inline constexpr PanelFormat kPanelQ5_1 = {5, true, false, 0};
inline constexpr PanelFormat kPanelQ4_K = {4, true, true, 0};
inline constexpr PanelFormat kPanelQ5_K = {5, true, true, 0};
inline constexpr PanelFormat kPanelQ6_K = {6, false, true, 32};

}  // namespace infe::kernels

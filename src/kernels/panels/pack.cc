#include "kernels/panels/pack.h"

#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/check.h"
#include "kernels/panels/by_format.h"
#include "kernels/quant/block_fields.h"

namespace infe::kernels::panels {
namespace {

PanelFormat FormatOf(QuantType type) {
  PanelFormat format{};
  INFE_CHECK(WithPanelFormat(type, [&]<PanelFormat f>() { format = f; }));
  return format;
}

size_t StripeBytes(QuantType type, uint32_t cols) {
  if (IsFloat(type)) return size_t{cols} * kStripeRows * Traits(type).block_bytes;
  return kernels::StripeBytes(FormatOf(type), cols);
}

uint32_t Word(const uint8_t* bytes) {
  uint32_t word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}
void SetWord(uint8_t* bytes, uint32_t word) {
  std::memcpy(bytes, &word, sizeof word);
}

// Bit `at` of 32 codes, into a vector of bits; bits `at` and `at` + 1, into two vectors.
void StoreBits(const uint8_t* codes, uint32_t at, uint8_t* plane) {
  uint32_t bits = 0;
  for (uint32_t k = 0; k < 8; ++k) bits |= (Word(codes + 4 * k) >> at & 0x01010101u) << k;
  SetWord(plane, bits);
}
void StoreBitPairs(const uint8_t* codes, uint32_t at, uint8_t* planes, uint32_t vector) {
  for (uint32_t h = 0; h < 2; ++h) {
    uint32_t bits = 0;
    for (uint32_t j = 0; j < 4; ++j)
      bits |= (Word(codes + 4 * (4 * h + j)) >> at & 0x03030303u) << 2 * j;
    SetWord(planes + h * vector, bits);
  }
}
// Of step k, in the lowest bits of four bytes.
uint32_t LoadBits(const uint8_t* plane, uint32_t k) {
  return Word(plane) >> k & 0x01010101u;
}
uint32_t LoadBitPairs(const uint8_t* planes, uint32_t vector, uint32_t k) {
  return Word(planes + k / 4 * vector) >> k % 4 * 2 & 0x03030303u;
}

// The codes of 32 columns of one row, four to a word, into their lane of a panel. `panel` points at
// the lane's first word; words of the same lane are `vector` bytes apart.
void StoreCodes(PanelFormat f, const uint8_t* codes, uint8_t* panel, uint32_t vector) {
  if (CodeBits(f) == 8) {
    for (uint32_t k = 0; k < 8; ++k) SetWord(panel + k * vector, Word(codes + 4 * k));
    return;
  }
  if (CodeBits(f) == 1) {
    StoreBits(codes, 0, panel);
    return;
  }
  if (CodeBits(f) < 4) {
    StoreBitPairs(codes, 0, panel, vector);
    if (CodeBits(f) == 3) StoreBits(codes, 2, panel + 2 * vector);
    return;
  }
  for (uint32_t v = 0; v < 4; ++v) {
    const uint32_t low = Word(codes + 4 * v) & 0x0f0f0f0fu;
    const uint32_t high = Word(codes + 4 * (v + 4)) & 0x0f0f0f0fu;
    SetWord(panel + v * vector, low | high << 4);
  }
  if (CodeBits(f) == 5) StoreBits(codes, 4, panel + 4 * vector);
  if (CodeBits(f) == 6) StoreBitPairs(codes, 4, panel + 4 * vector, vector);
}

void LoadCodes(PanelFormat f, const uint8_t* panel, uint32_t vector, uint8_t* codes) {
  for (uint32_t k = 0; k < 8; ++k) {
    uint32_t word;
    if (CodeBits(f) == 8) {
      word = Word(panel + k * vector);
    } else if (CodeBits(f) == 1) {
      word = LoadBits(panel, k);
    } else if (CodeBits(f) < 4) {
      word = LoadBitPairs(panel, vector, k);
      if (CodeBits(f) == 3) word |= LoadBits(panel + 2 * vector, k) << 2;
    } else {
      word = Word(panel + k % 4 * vector) >> (k / 4 * 4) & 0x0f0f0f0fu;
      if (CodeBits(f) == 5) word |= LoadBits(panel + 4 * vector, k) << 4;
      if (CodeBits(f) == 6) word |= LoadBitPairs(panel + 4 * vector, vector, k) << 4;
    }
    SetWord(codes + 4 * k, word);
  }
}

// Signs of 32 columns (bit j of byte g: column 8 g + j) as they lie in a panel, and back: bit k of
// byte i is column 4 k + i.
uint32_t SignPlane(const uint8_t* signs) {
  uint32_t plane = 0;
  for (uint32_t c = 0; c < 32; ++c)
    plane |= static_cast<uint32_t>(signs[c / 8] >> c % 8 & 1) << (8 * (c % 4) + c / 4);
  return plane;
}
void SignsOfPlane(uint32_t plane, uint8_t* signs) {
  for (uint32_t g = 0; g < 4; ++g) signs[g] = 0;
  for (uint32_t c = 0; c < 32; ++c)
    signs[c / 8] |= static_cast<uint8_t>((plane >> (8 * (c % 4) + c / 4) & 1) << c % 8);
}

// What stands in the odd bits of the signs' byte 3, and in a lane's last byte.
struct UpperBits {
  uint32_t beside_signs = 0;
  uint8_t rest = 0;
};

// Entries of one row's 32 columns. `panel` points at the lane's first word, as in StoreCodes; rest
// at its last byte, where there is one.
void StoreEntries(PanelFormat f, const BlockFields& fields, uint32_t sub, uint8_t* panel,
                  uint8_t* rest, uint32_t vector) {
  const uint32_t count = EntryBytesPerLane(f);
  const uint16_t* indices = fields.indices + count * sub;
  UpperBits upper;
  for (uint32_t i = 0; i < count; ++i) {
    panel[i / 4 * vector + i % 4] = static_cast<uint8_t>(indices[i]);
    if (f.code == CodeShape::kEntries512Of8) upper.beside_signs |= (indices[i] >> 8 & 1u) << i;
    if (f.code == CodeShape::kEntries1024Of8)
      upper.rest |= static_cast<uint8_t>((indices[i] >> 8 & 3) << 2 * i);
    if (f.code == CodeShape::kEntries512Of4)
      upper.rest |= static_cast<uint8_t>((indices[i] >> 8 & 1) << i);
  }
  if (HasScalesBesideSigns(f)) upper.beside_signs = fields.sub_scales[sub];
  uint32_t plane = SignPlane(fields.signs + 4 * sub);
  if (HasEvenSigns(f)) {
    plane &= 0x55ffffffu;
    for (uint32_t i = 0; i < 4; ++i) plane |= (upper.beside_signs >> i & 1) << (25 + 2 * i);
  }
  SetWord(panel + count / 4 * vector, plane);
  if (RestBytesPerLane(f) != 0) *rest = upper.rest;
}

// The eighth signs of HasEvenSigns are left at 0 or 1: blocks do not hold them either.
void LoadEntries(PanelFormat f, const uint8_t* panel, const uint8_t* rest, uint32_t vector,
                 uint32_t sub, BlockFields& fields) {
  const uint32_t count = EntryBytesPerLane(f);
  uint16_t* indices = fields.indices + count * sub;
  const uint32_t plane = Word(panel + count / 4 * vector);
  UpperBits upper;
  for (uint32_t i = 0; i < 4; ++i) upper.beside_signs |= (plane >> (25 + 2 * i) & 1) << i;
  if (RestBytesPerLane(f) != 0) upper.rest = *rest;
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t high = 0;
    if (f.code == CodeShape::kEntries512Of8) high = upper.beside_signs >> i & 1;
    if (f.code == CodeShape::kEntries1024Of8) high = upper.rest >> 2 * i & 3;
    if (f.code == CodeShape::kEntries512Of4) high = upper.rest >> i & 1;
    indices[i] = static_cast<uint16_t>(panel[i / 4 * vector + i % 4] | high << 8);
  }
  if (HasScalesBesideSigns(f)) fields.sub_scales[sub] = static_cast<uint8_t>(upper.beside_signs);
  SignsOfPlane(plane, fields.signs + 4 * sub);
}

// Where row r (0..31) of a stripe stands in one record.
template <uint32_t kLanes>
struct Place {
  PanelFormat f;
  uint32_t row;
  // A power of two is one byte, everything else is f16, where there is something.
  uint32_t ScaleBytes() const {
    if (RecordHeaderBytes(f) == 0) return 0;
    return f.scale == ScaleShape::kPowerOfTwo ? 1 : 2;
  }
  uint8_t* Scale(uint8_t* record) const { return record + ScaleBytes() * row; }
  uint8_t* Min(uint8_t* record) const { return record + 64 + 2 * row; }
  uint8_t* Sub(uint8_t* record, uint32_t sub) const {
    return record + RecordHeaderBytes(f) + sub * SubRecordBytes(f);
  }
  uint8_t* Panel(uint8_t* record, uint32_t sub) const {
    return Sub(record, sub) + SubHeaderBytes(f) + row / kLanes * kLanes * PanelBytesPerLane(f) +
           row % kLanes * 4;
  }
  // A lane's last byte, behind all lanes' words.
  uint8_t* Rest(uint8_t* record, uint32_t sub) const {
    const uint32_t words = PanelBytesPerLane(f) - RestBytesPerLane(f);
    return Panel(record, sub) + kLanes * words - 3 * (row % kLanes);
  }
};

// What a sub-header holds of one row: a scale, scale and minimum, or what both halves have. The
// second is null if there is none.
template <class Fields>
auto SubScalesOf(PanelFormat f, Fields& fields, uint32_t sub) {
  using Byte = std::remove_reference_t<decltype(fields.sub_scales[0])>;
  if (f.scale == ScaleShape::kSubScale || f.scale == ScaleShape::kHalfEighths) {
    return std::pair<Byte*, Byte*>(&fields.sub_scales[sub], nullptr);
  }
  return HasMin(f) ? std::pair<Byte*, Byte*>(&fields.sub_scales[sub], &fields.sub_mins[sub])
                   : std::pair<Byte*, Byte*>(&fields.sub_scales[2 * sub],
                                             &fields.sub_scales[2 * sub + 1]);
}

template <uint32_t kLanes>
void StoreRow(PanelFormat f, const BlockFields& fields, uint32_t row, uint8_t* record) {
  const Place<kLanes> at{f, row};
  std::memcpy(at.Scale(record), &fields.scale, at.ScaleBytes());
  if (HasMin(f) || HasHalfMins(f)) std::memcpy(at.Min(record), &fields.min, 2);
  for (uint32_t sub = 0; sub < SubBlocks(f); ++sub) {
    if (SubHeaderBytes(f) != 0) {
      const auto [low, high] = SubScalesOf(f, fields, sub);
      uint8_t* header = at.Sub(record, sub);
      header[row] = *low;
      if (high != nullptr) header[32 + row] = *high;
    }
    if (HasEntries(f))
      StoreEntries(f, fields, sub, at.Panel(record, sub), at.Rest(record, sub), 4 * kLanes);
    else
      StoreCodes(f, fields.codes + 32 * sub, at.Panel(record, sub), 4 * kLanes);
  }
}

template <uint32_t kLanes>
void LoadRow(PanelFormat f, uint8_t* record, uint32_t row, BlockFields& fields) {
  const Place<kLanes> at{f, row};
  std::memcpy(&fields.scale, at.Scale(record), at.ScaleBytes());
  if (HasMin(f) || HasHalfMins(f)) std::memcpy(&fields.min, at.Min(record), 2);
  for (uint32_t sub = 0; sub < SubBlocks(f); ++sub) {
    if (SubHeaderBytes(f) != 0) {
      const auto [low, high] = SubScalesOf(f, fields, sub);
      const uint8_t* header = at.Sub(record, sub);
      *low = header[row];
      if (high != nullptr) *high = header[32 + row];
    }
    if (HasEntries(f))
      LoadEntries(f, at.Panel(record, sub), at.Rest(record, sub), 4 * kLanes, sub, fields);
    else
      LoadCodes(f, at.Panel(record, sub), 4 * kLanes, fields.codes + 32 * sub);
  }
}

// from: the stripe's 32 source rows, null for padding, which `out` already holds as zeros.
template <size_t kBytes>
void PackFloatStripe(const std::byte* const* from, uint32_t cols, std::byte* out) {
  for (uint32_t r = 0; r < kStripeRows; ++r) {
    if (from[r] == nullptr) continue;
    for (uint32_t k = 0; k < cols; ++k)
      std::memcpy(out + (size_t{k} * kStripeRows + r) * kBytes, from[r] + k * kBytes, kBytes);
  }
}

template <uint32_t kLanes>
void PackPanelStripe(const QuantTypeTraits& traits, const std::byte* const* from, uint32_t cols,
                     uint8_t* out) {
  const PanelFormat f = FormatOf(traits.type);
  BlockFields fields;
  for (uint32_t b = 0; b < cols / traits.block_values; ++b, out += RecordBytes(f)) {
    for (uint32_t r = 0; r < kStripeRows; ++r) {
      if (from[r] == nullptr) continue;
      traits.decode(from[r] + size_t{b} * traits.block_bytes, fields);
      StoreRow<kLanes>(f, fields, r, out);
    }
  }
}

}  // namespace

size_t PackedBytes(QuantType type, uint32_t rows, uint32_t cols) {
  return (size_t{rows} + kStripeRows - 1) / kStripeRows * StripeBytes(type, cols);
}

template <uint32_t kLanes>
void Pack(QuantType type, uint32_t rows, uint32_t cols, const std::byte* source,
          const uint32_t* row_order, uint32_t stripe_begin, uint32_t stripe_end,
          std::byte* packed) {
  const QuantTypeTraits& traits = Traits(type);
  const size_t row_bytes = RowBytes(type, cols);
  const size_t stripe_bytes = StripeBytes(type, cols);
  for (uint32_t stripe = stripe_begin; stripe < stripe_end; ++stripe) {
    std::byte* out = packed + stripe * stripe_bytes;
    if ((stripe + 1) * kStripeRows > rows) std::memset(out, 0, stripe_bytes);
    const std::byte* from[kStripeRows] = {};
    for (uint32_t r = 0; r < kStripeRows; ++r) {
      const uint32_t row = stripe * kStripeRows + r;
      if (row < rows) from[r] = source + (row_order != nullptr ? row_order[row] : row) * row_bytes;
    }
    if (type == QuantType::kF32)
      PackFloatStripe<4>(from, cols, out);
    else if (IsFloat(type))
      PackFloatStripe<2>(from, cols, out);
    else
      PackPanelStripe<kLanes>(traits, from, cols, reinterpret_cast<uint8_t*>(out));
  }
}

template <uint32_t kLanes>
void UnpackBlocks(const PackedMatrix& matrix, uint32_t row, std::byte* blocks) {
  const QuantTypeTraits& traits = Traits(matrix.type);
  const uint32_t r = row % kStripeRows;
  const std::byte* stripe = matrix.data + row / kStripeRows * StripeBytes(matrix.type, matrix.cols);
  for (uint32_t b = 0; b < matrix.cols / traits.block_values; ++b) {
    std::byte* block = blocks + size_t{b} * traits.block_bytes;
    if (IsFloat(matrix.type)) {
      std::memcpy(block, stripe + (size_t{b} * kStripeRows + r) * traits.block_bytes,
                  traits.block_bytes);
      continue;
    }
    const PanelFormat f = FormatOf(matrix.type);
    BlockFields fields;
    // LoadRow shares its addressing with StoreRow and writes nothing.
    auto* record = const_cast<std::byte*>(stripe + size_t{b} * RecordBytes(f));
    LoadRow<kLanes>(f, reinterpret_cast<uint8_t*>(record), r, fields);
    traits.encode(fields, block);
  }
}

template <uint32_t kLanes>
void UnpackRow(const PackedMatrix& matrix, uint32_t row, float* out) {
  std::vector<std::byte> blocks(RowBytes(matrix.type, matrix.cols));
  UnpackBlocks<kLanes>(matrix, row, blocks.data());
  Traits(matrix.type).dequantise(blocks.data(), out, matrix.cols);
}

#define INFE_PANELS_FOR(kLanes)                                                                \
  template void Pack<kLanes>(QuantType, uint32_t, uint32_t, const std::byte*, const uint32_t*, \
                             uint32_t, uint32_t, std::byte*);                                  \
  template void UnpackBlocks<kLanes>(const PackedMatrix&, uint32_t, std::byte*);               \
  template void UnpackRow<kLanes>(const PackedMatrix&, uint32_t, float*);
INFE_PANELS_FOR(8)
INFE_PANELS_FOR(16)
#undef INFE_PANELS_FOR

}  // namespace infe::kernels::panels

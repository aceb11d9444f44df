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

// The codes of 32 columns of one row, four to a word, into their lane of a panel. `panel` points at
// the lane's first word; words of the same lane are `vector` bytes apart.
void StoreCodes(PanelFormat f, const uint8_t* codes, uint8_t* panel, uint32_t vector) {
  if (CodeBits(f) == 8) {
    for (uint32_t k = 0; k < 8; ++k) SetWord(panel + k * vector, Word(codes + 4 * k));
    return;
  }
  for (uint32_t v = 0; v < 4; ++v) {
    const uint32_t low = Word(codes + 4 * v) & 0x0f0f0f0fu;
    const uint32_t high = Word(codes + 4 * (v + 4)) & 0x0f0f0f0fu;
    SetWord(panel + v * vector, low | high << 4);
  }
  if (CodeBits(f) == 5) {
    uint32_t bits = 0;
    for (uint32_t k = 0; k < 8; ++k) bits |= (Word(codes + 4 * k) >> 4 & 0x01010101u) << k;
    SetWord(panel + 4 * vector, bits);
  }
  if (CodeBits(f) == 6) {
    for (uint32_t h = 0; h < 2; ++h) {
      uint32_t bits = 0;
      for (uint32_t j = 0; j < 4; ++j)
        bits |= (Word(codes + 4 * (4 * h + j)) >> 4 & 0x03030303u) << 2 * j;
      SetWord(panel + (4 + h) * vector, bits);
    }
  }
}

void LoadCodes(PanelFormat f, const uint8_t* panel, uint32_t vector, uint8_t* codes) {
  for (uint32_t k = 0; k < 8; ++k) {
    uint32_t word;
    if (CodeBits(f) == 8) {
      word = Word(panel + k * vector);
    } else {
      word = Word(panel + k % 4 * vector) >> (k / 4 * 4) & 0x0f0f0f0fu;
      if (CodeBits(f) == 5) word |= (Word(panel + 4 * vector) >> k & 0x01010101u) << 4;
      if (CodeBits(f) == 6)
        word |= (Word(panel + (4 + k / 4) * vector) >> k % 4 * 2 & 0x03030303u) << 4;
    }
    SetWord(codes + 4 * k, word);
  }
}

// Where row r (0..31) of a stripe stands in one record.
template <uint32_t kLanes>
struct Place {
  PanelFormat f;
  uint32_t row;
  // A power of two is one byte, everything else is f16.
  uint32_t ScaleBytes() const { return f.scale == ScaleShape::kPowerOfTwo ? 1 : 2; }
  uint8_t* Scale(uint8_t* record) const { return record + ScaleBytes() * row; }
  uint8_t* Min(uint8_t* record) const { return record + 64 + 2 * row; }
  uint8_t* Sub(uint8_t* record, uint32_t sub) const {
    return record + RecordHeaderBytes(f) + sub * SubRecordBytes(f);
  }
  uint8_t* Panel(uint8_t* record, uint32_t sub) const {
    return Sub(record, sub) + SubHeaderBytes(f) + row / kLanes * kLanes * PanelBytesPerLane(f) +
           row % kLanes * 4;
  }
};

// What a sub-header holds of one row: a scale, scale and minimum, or the scales of both halves. The
// second is null if there is none.
template <class Fields>
auto SubScalesOf(PanelFormat f, Fields& fields, uint32_t sub) {
  using Byte = std::remove_reference_t<decltype(fields.sub_scales[0])>;
  if (f.scale == ScaleShape::kSubScale) {
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
  if (HasMin(f)) std::memcpy(at.Min(record), &fields.min, 2);
  for (uint32_t sub = 0; sub < SubBlocks(f); ++sub) {
    if (HasSubScales(f)) {
      const auto [low, high] = SubScalesOf(f, fields, sub);
      uint8_t* header = at.Sub(record, sub);
      header[row] = *low;
      if (high != nullptr) header[32 + row] = *high;
    }
    StoreCodes(f, fields.codes + 32 * sub, at.Panel(record, sub), 4 * kLanes);
  }
}

template <uint32_t kLanes>
void LoadRow(PanelFormat f, uint8_t* record, uint32_t row, BlockFields& fields) {
  const Place<kLanes> at{f, row};
  std::memcpy(&fields.scale, at.Scale(record), at.ScaleBytes());
  if (HasMin(f)) std::memcpy(&fields.min, at.Min(record), 2);
  for (uint32_t sub = 0; sub < SubBlocks(f); ++sub) {
    if (HasSubScales(f)) {
      const auto [low, high] = SubScalesOf(f, fields, sub);
      const uint8_t* header = at.Sub(record, sub);
      *low = header[row];
      if (high != nullptr) *high = header[32 + row];
    }
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

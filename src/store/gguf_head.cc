#include "store/gguf_head.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace infe::store {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr uint64_t kPiece = uint64_t{1} << 20;
// Far above what models have; an array of more would not fit the head.
constexpr uint64_t kCountMax = uint64_t{1} << 20;
constexpr uint32_t kDimensionsMax = 8;
// Of an architecture: it is shown on terminals.
constexpr size_t kNameBytesMax = 64;
// Numbers that the format gives to types of values.
constexpr uint32_t kTypeF32 = 6, kTypeBool = 7, kTypeString = 8, kTypeArray = 9, kTypeF64 = 12;
// Sizes of the fixed ones: u8, i8, u16, i16, u32, i32, f32, bool, -, -, u64, i64, f64.
constexpr std::array<uint8_t, 13> kSizes{1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

uint64_t SizeOf(uint32_t type) {
  return type < kSizes.size() ? kSizes[type] : 0;
}

bool IsWholeNumber(uint32_t type) {
  return SizeOf(type) != 0 && type != kTypeF32 && type != kTypeBool && type != kTypeF64;
}

}  // namespace

Result<void> GgufHead::Want(uint64_t count) {
  const uint64_t end = std::min(file_bytes_, kGgufHeadBytesMax);
  if (at_ > end || count > end - at_) return Corrupt("it ends inside its metadata");
  const uint64_t need = at_ + count;
  if (need <= bytes_.size()) return {};
  const uint64_t begin = bytes_.size();
  bytes_.resize(std::min(std::max(need, begin + kPiece), file_bytes_));
  return reader_(std::as_writable_bytes(std::span(bytes_)).subspan(begin), begin);
}

Result<std::string_view> GgufHead::Take(uint64_t count) {
  INFE_TRY(Want(count));
  const std::string_view taken = std::string_view(bytes_).substr(at_, count);
  at_ += count;
  return taken;
}

Result<std::string_view> GgufHead::Text() {
  INFE_ASSIGN(const uint64_t length, Number<uint64_t>());
  return Take(length);
}

Result<void> GgufHead::Skip(uint32_t type) {
  if (type == kTypeString) {
    INFE_TRY(Text());
    return {};
  }
  if (type != kTypeArray) {
    if (SizeOf(type) == 0) return Corrupt(fmt::format("its metadata has a value of type {}", type));
    INFE_TRY(Take(SizeOf(type)));
    return {};
  }
  INFE_ASSIGN(const uint32_t inner, Number<uint32_t>());
  INFE_ASSIGN(const uint64_t count, Number<uint64_t>());
  if (count > kGgufHeadBytesMax) return Corrupt("an array of its metadata is too long");
  if (inner == kTypeString) {
    for (uint64_t i = 0; i < count; ++i) INFE_TRY(Text());
    return {};
  }
  if (SizeOf(inner) == 0)
    return Corrupt(fmt::format("its metadata has an array of type {}", inner));
  INFE_TRY(Take(count * SizeOf(inner)));
  return {};
}

Result<GgufCounts> GgufHead::Counts() {
  const auto magic = Take(kMagic.size());
  if (!magic || *magic != kMagic) return Corrupt("it is no GGUF file");
  GgufCounts counts;
  INFE_ASSIGN(counts.version, Number<uint32_t>());
  if (counts.version != 2 && counts.version != 3)
    return Corrupt(fmt::format("it is GGUF of version {}", counts.version));
  INFE_ASSIGN(counts.tensors, Number<uint64_t>());
  INFE_ASSIGN(counts.values, Number<uint64_t>());
  if (counts.tensors > kCountMax || counts.values > kCountMax)
    return Corrupt("it counts too many tensors or values");
  return counts;
}

Result<GgufHeadValue> GgufHead::Value() {
  const uint64_t begin = at_;
  GgufHeadValue value;
  INFE_ASSIGN(value.key, Text());
  INFE_ASSIGN(const uint32_t type, Number<uint32_t>());
  const uint64_t content = at_;
  INFE_TRY(Skip(type));
  value.bytes = Since(begin);
  if (type == kTypeString) value.text = Since(content + sizeof(uint64_t));
  if (IsWholeNumber(type)) {
    uint64_t number = 0;
    std::memcpy(&number, bytes_.data() + content, SizeOf(type));
    value.number = number;
  }
  return value;
}

Result<GgufHeadTensor> GgufHead::Tensor() {
  const uint64_t begin = at_;
  INFE_TRY(Text());
  INFE_ASSIGN(const uint32_t dimensions, Number<uint32_t>());
  if (dimensions > kDimensionsMax) return Corrupt("a tensor has too many dimensions");
  INFE_TRY(Take(dimensions * sizeof(uint64_t) + sizeof(uint32_t)));
  GgufHeadTensor tensor;
  tensor.bytes = Since(begin);
  INFE_ASSIGN(tensor.offset, Number<uint64_t>());
  return tensor;
}

Result<std::string> ArchitectureIn(std::string_view beginning) {
  GgufHead head(beginning.size(), [&](std::span<std::byte> to, uint64_t offset) -> Result<void> {
    std::memcpy(to.data(), beginning.data() + offset, to.size());
    return {};
  });
  INFE_ASSIGN(const GgufCounts counts, head.Counts());
  for (uint64_t i = 0; i < counts.values; ++i) {
    const auto value = head.Value();
    if (!value) break;  // it goes on behind what is here
    if (value->key != "general.architecture" || !value->text) continue;
    const std::string& name = *value->text;
    const bool is_word =
        name.size() <= kNameBytesMax &&
        std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7f; });
    if (!is_word) return Corrupt("its general.architecture is no name");
    return name;
  }
  return std::string();
}

}  // namespace infe::store

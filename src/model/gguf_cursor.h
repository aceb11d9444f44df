// Reads little-endian values from a byte range and never past it: every step is checked against
// what is left, so a length of 2^64 - 1 is an error and not an overflow. The range may be only the
// beginning of a longer file: then a step that fails only for that is told apart.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace infe::model {

static_assert(std::endian::native == std::endian::little, "GGUF fields are read in place");

class GgufCursor {
 public:
  explicit GgufCursor(std::span<const std::byte> bytes) : GgufCursor(bytes, bytes.size()) {}
  // `bytes` are the first of a file of `file_bytes`.
  GgufCursor(std::span<const std::byte> bytes, uint64_t file_bytes)
      : bytes_(bytes), file_bytes_(file_bytes) {}

  size_t position() const { return position_; }
  // In the whole file.
  uint64_t left() const { return file_bytes_ - position_; }
  // In the range.
  size_t left_here() const { return bytes_.size() - position_; }
  // Whether a step failed that the whole file would have let pass.
  bool needs_more() const { return needs_more_; }

  // False, and nothing consumed, if fewer than sizeof(T) bytes are left.
  template <typename T>
  bool Read(T* value) {
    if (!Reaches(sizeof(T))) return false;
    std::memcpy(value, bytes_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return true;
  }
  bool Skip(uint64_t bytes, std::span<const std::byte>* skipped = nullptr) {
    if (!Reaches(bytes)) return false;
    if (skipped != nullptr) *skipped = bytes_.subspan(position_, static_cast<size_t>(bytes));
    position_ += static_cast<size_t>(bytes);
    return true;
  }
  // u64 length, then the bytes.
  bool ReadString(std::string_view* text) {
    const size_t start = position_;
    uint64_t length = 0;
    std::span<const std::byte> bytes;
    if (!Read(&length) || !Skip(length, &bytes)) {
      position_ = start;
      return false;
    }
    *text = {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    return true;
  }

 private:
  bool Reaches(uint64_t bytes) {
    if (bytes <= left_here()) return true;
    needs_more_ |= bytes <= left();
    return false;
  }

  std::span<const std::byte> bytes_;
  uint64_t file_bytes_;
  size_t position_ = 0;
  bool needs_more_ = false;
};

}  // namespace infe::model

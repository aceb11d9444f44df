// Writes GGUF bytes for tests: whatever is asked, valid or not. Not part of the product.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/gguf.h"

namespace infe::model {

class GgufBuilder {
 public:
  explicit GgufBuilder(uint32_t version = 3) : version_(version) {}

  GgufBuilder& Entry(std::string_view key, GgufValueType type, const std::string& payload) {
    ++entry_count_;
    entries_ += Text(key) + Number(static_cast<uint32_t>(type)) + payload;
    return *this;
  }
  GgufBuilder& Unsigned(std::string_view key, uint32_t value) {
    return Entry(key, GgufValueType::kUint32, Number(value));
  }
  GgufBuilder& Float(std::string_view key, float value) {
    return Entry(key, GgufValueType::kFloat32, Number(value));
  }
  GgufBuilder& String(std::string_view key, std::string_view value) {
    return Entry(key, GgufValueType::kString, Text(value));
  }
  GgufBuilder& Strings(std::string_view key, std::span<const std::string_view> values) {
    std::string payload = Number(static_cast<uint32_t>(GgufValueType::kString)) +
                          Number(static_cast<uint64_t>(values.size()));
    for (std::string_view value : values) payload += Text(value);
    return Entry(key, GgufValueType::kArray, payload);
  }
  // `bytes` are the tensor's data; its offset follows the tensors added so far.
  GgufBuilder& Tensor(std::string_view name, uint32_t type, std::vector<uint64_t> shape,
                      const std::string& bytes) {
    TensorAt(name, type, std::move(shape), data_.size());
    data_ += bytes;
    data_.resize((data_.size() + alignment_ - 1) / alignment_ * alignment_, '\0');
    return *this;
  }
  // A table row alone, at any offset.
  GgufBuilder& TensorAt(std::string_view name, uint32_t type, std::vector<uint64_t> shape,
                        uint64_t offset) {
    ++tensor_count_;
    tensors_ += Text(name) + Number(static_cast<uint32_t>(shape.size()));
    for (uint64_t size : shape) tensors_ += Number(size);
    tensors_ += Number(type) + Number(offset);
    return *this;
  }
  GgufBuilder& Data(const std::string& bytes) {
    data_ += bytes;
    return *this;
  }

  // Everything before the tensor data, padding included.
  std::string Header() const {
    std::string header = "GGUF" + Number(version_) + Number(tensor_count_) + Number(entry_count_) +
                         entries_ + tensors_;
    header.resize((header.size() + alignment_ - 1) / alignment_ * alignment_, '\0');
    return header;
  }
  std::string Bytes() const { return Header() + data_; }

  template <typename T>
  static std::string Number(T value) {
    std::string bytes(sizeof(T), '\0');
    std::memcpy(bytes.data(), &value, sizeof(T));
    return bytes;
  }
  static std::string Text(std::string_view text) {
    return Number(static_cast<uint64_t>(text.size())) + std::string(text);
  }

 private:
  static constexpr size_t alignment_ = 32;
  uint32_t version_;
  uint64_t entry_count_ = 0;
  uint64_t tensor_count_ = 0;
  std::string entries_, tensors_, data_;
};

inline std::span<const std::byte> AsBytes(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace infe::model

// Sizes of every tensor type a GGUF file may name, also of those that infe does not compute with:
// the reader needs them to place tensors, and the loader to say which type is in the way.
#pragma once

#include <cstdint>
#include <string_view>

namespace infe::model {

struct GgufTensorType {
  uint32_t id;
  std::string_view name;
  uint32_t block_values;
  uint32_t block_bytes;
};

// Null for numbers that name no type.
const GgufTensorType* FindGgufTensorType(uint32_t id);

}  // namespace infe::model

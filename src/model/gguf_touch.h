// Reads everything a GgufFile gives access to: under AddressSanitizer a span outside the file is
// caught here. For the tests and the fuzz target.
#pragma once

#include <cstdint>
#include <vector>

#include "model/gguf.h"

namespace infe::model {

inline uint64_t TouchEverything(const GgufFile& file) {
  uint64_t sum = 0;
  for (const GgufEntry& entry : file.entries()) {
    for (std::byte byte : entry.payload) sum += static_cast<uint64_t>(byte);
    if (auto texts = file.Strings(entry.key)) {
      for (std::string_view text : *texts) {
        for (char c : text) sum += static_cast<unsigned char>(c);
      }
    }
    if (auto values = file.Integers(entry.key)) sum += values->size();
    if (auto values = file.Floats(entry.key)) sum += values->size();
    if (auto value = file.Unsigned(entry.key)) sum += *value;
    if (auto value = file.Float(entry.key)) sum += *value > 0;
    if (auto value = file.Bool(entry.key, false)) sum += *value;
    if (auto value = file.String(entry.key)) sum += value->size();
  }
  for (const GgufTensor& tensor : file.tensors()) {
    std::vector<std::byte> bytes(tensor.bytes);  // lies inside the file, so it is no larger
    if (file.ReadTensor(tensor, 0, bytes)) {
      for (std::byte byte : bytes) sum += static_cast<uint64_t>(byte);
    }
    sum += tensor.rows() + (file.FindTensor(tensor.name) == &tensor);
  }
  return sum;
}

}  // namespace infe::model

// The GGUF reader on arbitrary bytes: it answers with a file or an error, and every view of an
// accepted file lies inside it.
#include <cstdint>

#include "model/gguf_touch.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto file = infe::model::GgufFile::Parse(bytes);
  if (file) {
    volatile uint64_t sum = infe::model::TouchEverything(*file);
    (void)sum;
  }
  return 0;
}

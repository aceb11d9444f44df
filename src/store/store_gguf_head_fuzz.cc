// The head of a GGUF file as a pull reads it, on arbitrary bytes: it ends, it reads nothing behind
// the file's end (the reader checks), and what it gives as copied bytes was in the file.
#include <cstdint>
#include <cstring>

#include "base/check.h"
#include "store/gguf_head.h"

namespace {

void Walk(std::string_view bytes) {
  infe::store::GgufHead head(
      bytes.size(), [&](std::span<std::byte> to, uint64_t offset) -> infe::Result<void> {
        INFE_CHECK(offset <= bytes.size() && to.size() <= bytes.size() - offset);
        std::memcpy(to.data(), bytes.data() + offset, to.size());
        return {};
      });
  const auto counts = head.Counts();
  if (!counts) return;
  for (uint64_t i = 0; i < counts->values; ++i) {
    const uint64_t begin = head.at();
    const auto value = head.Value();
    if (!value) return;
    INFE_CHECK(value->bytes == bytes.substr(begin, head.at() - begin));
  }
  for (uint64_t i = 0; i < counts->tensors; ++i) {
    const uint64_t begin = head.at();
    const auto tensor = head.Tensor();
    if (!tensor) return;
    INFE_CHECK(bytes.substr(begin).starts_with(tensor->bytes));
  }
  INFE_CHECK(head.at() <= bytes.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Walk(bytes);
  (void)infe::store::ArchitectureIn(bytes).has_value();
  return 0;
}

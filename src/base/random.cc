#include "base/random.h"

#include <sys/random.h>

#include "base/check.h"

namespace infe {

void FillRandom(void* data, size_t size) {
  auto* out = static_cast<unsigned char*>(data);
  while (size > 0) {
    const ssize_t got = getrandom(out, size, 0);
    INFE_CHECK(got > 0);
    out += got;
    size -= static_cast<size_t>(got);
  }
}

uint64_t RandomUint64() {
  uint64_t value = 0;
  FillRandom(&value, sizeof value);
  return value;
}

}  // namespace infe

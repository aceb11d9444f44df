#include "base/memory.h"

#include <cstdint>
#include <utility>

#include <malloc.h>
#include <sys/mman.h>

#include "base/check.h"

namespace infe {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kPage = 4096;

size_t RoundUp(size_t value, size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace

HugeBuffer::HugeBuffer(size_t bytes) : size_(bytes) {
  if (bytes == 0) return;
  const bool huge = bytes >= kHugePage;
  const size_t rounded = RoundUp(bytes, huge ? kHugePage : kPage);
  mapping_size_ = rounded + (huge ? kHugePage : 0);
  mapping_ =
      mmap(nullptr, mapping_size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  INFE_CHECK(mapping_ != MAP_FAILED);
  const auto start = reinterpret_cast<uintptr_t>(mapping_);
  data_ = reinterpret_cast<std::byte*>(huge ? RoundUp(start, kHugePage) : start);
  // Advice only: a kernel without transparent huge pages says no and small pages serve as well.
  if (huge) (void)madvise(data_, rounded, MADV_HUGEPAGE);
}

HugeBuffer::~HugeBuffer() {
  if (mapping_ != nullptr) munmap(mapping_, mapping_size_);
}

HugeBuffer::HugeBuffer(HugeBuffer&& other) noexcept {
  *this = std::move(other);
}

HugeBuffer& HugeBuffer::operator=(HugeBuffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(mapping_, other.mapping_);
  std::swap(mapping_size_, other.mapping_size_);
  return *this;
}

void ReturnLargeBlocks() {
#if defined(__GLIBC__)
  mallopt(M_MMAP_THRESHOLD, 256 << 10);  // also ends its own raising of the threshold
  mallopt(M_TRIM_THRESHOLD, 4 << 20);
#endif
}

}  // namespace infe

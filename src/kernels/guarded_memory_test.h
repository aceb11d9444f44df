// Memory for tests that ends at an inaccessible page: a kernel that reads or writes one byte too
// far stops the test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <sys/mman.h>

#include "base/check.h"

namespace infe::kernels {

class GuardedMemory {
 public:
  GuardedMemory() = default;
  explicit GuardedMemory(size_t bytes) {
    const size_t pages = (bytes + kPage - 1) / kPage * kPage;
    size_ = pages + 2 * kPage;
    void* mapping =
        mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    INFE_CHECK(mapping != MAP_FAILED);
    mapping_ = static_cast<std::byte*>(mapping);
    INFE_CHECK(mprotect(mapping_, kPage, PROT_NONE) == 0);
    INFE_CHECK(mprotect(mapping_ + kPage + pages, kPage, PROT_NONE) == 0);
    data_ = mapping_ + kPage + pages - bytes;
  }
  ~GuardedMemory() {
    if (mapping_ != nullptr) munmap(mapping_, size_);
  }
  GuardedMemory(GuardedMemory&& other) noexcept { *this = std::move(other); }
  GuardedMemory& operator=(GuardedMemory&& other) noexcept {
    std::swap(mapping_, other.mapping_);
    std::swap(size_, other.size_);
    std::swap(data_, other.data_);
    return *this;
  }

  std::byte* data() const { return data_; }
  template <typename T>
  T* As() const {
    return reinterpret_cast<T*>(data_);
  }

 private:
  static constexpr size_t kPage = 4096;
  std::byte* mapping_ = nullptr;
  size_t size_ = 0;
  std::byte* data_ = nullptr;
};

}  // namespace infe::kernels

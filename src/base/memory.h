// Memory that kernels like: aligned, zeroed, in huge pages where the system grants them; and how
// the heap is to treat large blocks.
#pragma once

#include <cstddef>
#include <span>

namespace infe {

// Anonymous pages, 2 MiB-aligned when large, zero-filled on first touch.
class HugeBuffer {
 public:
  HugeBuffer() = default;
  // CHECKs that the system gives the memory: sizes are planned and refused before this is called.
  explicit HugeBuffer(size_t bytes);
  ~HugeBuffer();
  HugeBuffer(HugeBuffer&& other) noexcept;
  HugeBuffer& operator=(HugeBuffer&& other) noexcept;

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  std::span<std::byte> bytes() const { return {data_, size_}; }

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
  void* mapping_ = nullptr;
  size_t mapping_size_ = 0;
};

// For a process that serves for months: large blocks of the heap go back to the system when they
// are freed. By itself glibc keeps them, once one has been freed, and what is left of large bodies
// and their values stays in holes between longer-lived blocks.
void ReturnLargeBlocks();

}  // namespace infe

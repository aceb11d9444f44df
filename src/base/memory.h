// Memory that kernels like: aligned, zeroed, in huge pages where the system grants them; and files
// mapped read-only. Both move, neither copies.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/result.h"

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

// A whole file, mapped read-only and private.
class MappedFile {
 public:
  static Result<MappedFile> Open(const std::string& path);
  MappedFile() = default;
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace infe

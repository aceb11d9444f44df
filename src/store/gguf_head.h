// The head of a GGUF file, its metadata and the table of its tensors, read value by value as far as
// a pull has to understand it: what joins the parts of a model copies most of it as it stands, and
// what looks at a model before it is downloaded wants one key. Whoever runs the model reads it
// again, and fully (model/gguf.h).
//
// The bytes are a stranger's: every count and length is checked before it is believed, and no more
// than kGgufHeadBytesMax is ever held.
//
// Source: ggml/docs/gguf.md, versions 2 and 3, little-endian.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace infe::store {

// What whoever runs the model takes (model/gguf.h); metadata with a vocabulary is some MB.
inline constexpr uint64_t kGgufHeadBytesMax = uint64_t{256} << 20;

struct GgufCounts {
  uint32_t version = 0;
  uint64_t tensors = 0;
  uint64_t values = 0;
};
struct GgufHeadValue {
  std::string key;
  std::string bytes;                     // key, type and value, as the file has them
  std::optional<uint64_t> number = {};   // of a whole number, its bits without a sign
  std::optional<std::string> text = {};  // of a string
};
struct GgufHeadTensor {
  std::string bytes;    // name, dimensions and type, as the file has them
  uint64_t offset = 0;  // in the data
};

class GgufHead {
 public:
  // Fills `to` with the bytes from `offset` on, all of which are in the file.
  using Reader = std::function<Result<void>(std::span<std::byte> to, uint64_t offset)>;
  GgufHead(uint64_t file_bytes, Reader reader)
      : file_bytes_(file_bytes), reader_(std::move(reader)) {}

  // In this order: the counts, then so many values, then so many tensors. kCorrupt, without a
  // file's name, where the bytes break the format.
  Result<GgufCounts> Counts();
  Result<GgufHeadValue> Value();
  Result<GgufHeadTensor> Tensor();
  // What has been read, in bytes.
  uint64_t at() const { return at_; }

 private:
  Result<void> Want(uint64_t count);
  Result<std::string_view> Take(uint64_t count);
  Result<std::string_view> Text();
  Result<void> Skip(uint32_t type);
  std::string Since(uint64_t begin) const { return bytes_.substr(begin, at_ - begin); }
  template <typename T>
  Result<T> Number() {
    INFE_ASSIGN(const std::string_view bytes, Take(sizeof(T)));
    T value;
    std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }

  uint64_t file_bytes_;
  Reader reader_;
  std::string bytes_;
  uint64_t at_ = 0;
};

// general.architecture of the file that begins with these bytes; empty where they end before it is
// told. kCorrupt where they are not the beginning of a GGUF file.
Result<std::string> ArchitectureIn(std::string_view beginning);

}  // namespace infe::store

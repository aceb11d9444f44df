// The GGUF container, versions 2 and 3: metadata, tensor table and tensor bytes of a model file
// (docs/gguf.md). The file is hostile until checked: every count, length and offset is compared
// with the real file size by checked arithmetic before it is used. It is also never mapped: what
// stands before the tensors is copied into memory of our own, names and strings are views into
// that copy, and tensors are read when they are asked for. So whatever others do to the file
// meanwhile, what was checked stays as it was, and a read past a new end is an error and no signal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/file_descriptor.h"
#include "base/result.h"

namespace infe::model {

class GgufCursor;  // model/gguf_cursor.h

// Metadata value types, with the numbers of the format.
enum class GgufValueType : uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};
std::string_view Name(GgufValueType type);

// One metadata entry. For an array, `element` and `count` describe it and `payload` holds the
// elements (strings with their lengths); otherwise `payload` is the value.
struct GgufEntry {
  std::string_view key;
  GgufValueType type = GgufValueType::kUint8;
  GgufValueType element = GgufValueType::kUint8;
  uint64_t count = 1;
  std::span<const std::byte> payload;
};

struct GgufTensor {
  std::string_view name;
  uint32_t type = 0;           // ggml_type; kernels::QuantTypeFromGguf tells what infe can compute
  std::string_view type_name;  // "Q4_K"
  uint32_t dimensions = 0;     // 1..4
  uint64_t shape[4] = {1, 1, 1, 1};  // shape[0] is the row length, as in the file
  uint64_t offset = 0;               // from the start of the data section
  uint64_t file_offset = 0;          // from the start of the file
  uint64_t bytes = 0;                // of its data: whole rows
  uint32_t part = 0;                 // of a split file: the one that holds it, from 0

  uint64_t cols() const { return shape[0]; }
  uint64_t rows() const { return shape[1] * shape[2] * shape[3]; }
};

class GgufFile {
 public:
  // Reads all but the tensors, of a split file of all its parts (base/split_name.h). kNotFound or
  // kIo if the file cannot be read, kCorrupt if its bytes break the format, kUnsupported for
  // version 1 and big-endian files, and for a header larger than kHeaderBytesMax.
  static Result<GgufFile> Open(const std::string& path);
  // The same of one file, or one part, that is open already and was in `state` when it was looked
  // at (hashed, say): what has happened to it since is an error of CheckUnchanged. `path` is named
  // in errors.
  static Result<GgufFile> Read(FileDescriptor file, const FileState& state,
                               const std::string& path);
  // The same over memory that outlives the result: tests and the fuzz target.
  static Result<GgufFile> Parse(std::span<const std::byte> bytes);

  // Takes in the next part of a split file, of which this is the first: its tensors become this
  // file's. kCorrupt where it is not that part.
  Result<void> Join(GgufFile part);
  // kUnsupported, with words, for a part of a split file that has not been joined with all others.
  Result<void> CheckWhole() const;

  uint32_t version() const { return version_; }
  uint64_t file_bytes() const;  // of all parts
  // Where the file was, absolute; empty after Parse.
  const std::string& path() const { return path_; }
  // Fills `to` with the tensor's bytes from `offset` on, which lie inside it (checked: a
  // programmer's mistake otherwise). kIo: the file is shorter by now, or cannot be read. Safe on
  // many threads.
  Result<void> ReadTensor(const GgufTensor& tensor, uint64_t offset, std::span<std::byte> to) const;
  // kIo if the file was written, renamed or linked since it was opened: what was read may be
  // neither the old nor the new bytes. To be asked after the last read.
  Result<void> CheckUnchanged() const;
  std::span<const GgufEntry> entries() const { return entries_; }
  std::span<const GgufTensor> tensors() const { return tensors_; }
  const GgufEntry* FindEntry(std::string_view key) const;     // null if absent
  const GgufTensor* FindTensor(std::string_view name) const;  // null if absent
  bool Has(std::string_view key) const { return FindEntry(key) != nullptr; }

  // Typed access. A missing key is kNotFound, a value of another kind kCorrupt. The forms with a
  // default return it only if the key is absent.
  Result<uint64_t> Unsigned(std::string_view key) const;  // any integer type, not negative
  Result<uint64_t> Unsigned(std::string_view key, uint64_t fallback) const;
  Result<double> Float(std::string_view key) const;  // f32 or f64
  Result<double> Float(std::string_view key, double fallback) const;
  Result<bool> Bool(std::string_view key, bool fallback) const;
  Result<std::string_view> String(std::string_view key) const;
  Result<std::string_view> String(std::string_view key, std::string_view fallback) const;
  // Arrays, in file order. Views point into the file.
  Result<std::vector<std::string_view>> Strings(std::string_view key) const;
  Result<std::vector<int64_t>> Integers(std::string_view key) const;  // any integer or bool type
  Result<std::vector<float>> Floats(std::string_view key) const;      // f32

 private:
  // Both over bytes_, which may be only the beginning of the file: a kCorrupt of those that are cut
  // off there says so in `cursor`.
  Result<void> ReadHeader(GgufCursor& cursor);
  Result<void> ReadEntries(GgufCursor& cursor, uint64_t count);
  Result<void> ReadTensors(GgufCursor& cursor, uint64_t count);
  Result<GgufTensor> ReadTensorRow(GgufCursor& cursor, uint64_t index) const;
  Result<void> PlaceTensors(uint64_t table_end);
  Result<void> ReadFromFile();
  Result<void> JoinParts(const std::string& path);
  Result<const GgufEntry*> Array(std::string_view key) const;

  FileDescriptor file_{-1};           // none after Parse
  FileState state_;                   // of file_, when it was looked at first
  std::vector<std::byte> header_;     // of file_: its beginning, at least up to the tensors
  std::span<const std::byte> bytes_;  // header_, or all that Parse was given
  uint64_t file_bytes_ = 0;
  std::string path_;
  uint32_t version_ = 0;
  std::vector<GgufEntry> entries_;
  std::vector<GgufTensor> tensors_;
  std::unordered_map<std::string_view, uint32_t> entry_index_;
  std::unordered_map<std::string_view, uint32_t> tensor_index_;
  std::vector<GgufFile> parts_;  // joined, from the second on; tensors_ refers to their headers
};

// What may stand before the tensors: metadata, most of it the vocabulary, and the table. The
// largest vocabularies known (262,144 tokens and their merges) take 20 MiB.
inline constexpr uint64_t kHeaderBytesMax = uint64_t{256} << 20;

}  // namespace infe::model

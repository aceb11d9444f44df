#include "model/gguf.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

#include "base/check.h"
#include "model/gguf_cursor.h"
#include "model/gguf_types.h"

namespace infe::model {
namespace {

constexpr char kMagic[4] = {'G', 'G', 'U', 'F'};
constexpr uint32_t kAlignmentDefault = 32;
// Far above what any tool writes (a page), far below what would make padding absurd.
constexpr uint64_t kAlignmentMax = uint64_t{1} << 20;
// The format's own limit for keys; names of tensors are shorter still (64 in ggml).
constexpr size_t kNameBytesMax = 65535;
// The smallest entry is a key length, a one-byte key, a type and a one-byte value; the smallest
// tensor row a name length, a name, a dimension count, a dimension, a type and an offset.
// Counts that cannot fit the file are refused before anything is reserved.
constexpr uint64_t kEntryBytesMin = 8 + 1 + 4 + 1;
constexpr uint64_t kTensorBytesMin = 8 + 1 + 4 + 8 + 4 + 8;
// What is read of a file at first, and by how much more it becomes while the header goes on: all of
// a small vocabulary, or a second look of a large one.
constexpr uint64_t kHeaderBytesFirst = uint64_t{2} << 20;
constexpr uint64_t kHeaderGrowth = 8;

// 0 for strings and arrays, whose size is in the file.
size_t FixedBytes(GgufValueType type) {
  switch (type) {
    case GgufValueType::kUint8:
    case GgufValueType::kInt8:
    case GgufValueType::kBool:
      return 1;
    case GgufValueType::kUint16:
    case GgufValueType::kInt16:
      return 2;
    case GgufValueType::kUint32:
    case GgufValueType::kInt32:
    case GgufValueType::kFloat32:
      return 4;
    case GgufValueType::kUint64:
    case GgufValueType::kInt64:
    case GgufValueType::kFloat64:
      return 8;
    case GgufValueType::kString:
    case GgufValueType::kArray:
      return 0;
  }
  return 0;
}

bool ReadType(GgufCursor& cursor, GgufValueType* type) {
  uint32_t number = 0;
  if (!cursor.Read(&number) || number > static_cast<uint32_t>(GgufValueType::kFloat64)) {
    return false;
  }
  *type = static_cast<GgufValueType>(number);
  return true;
}

// Steps over one value (or one array element) of a scalar or string type.
bool SkipValues(GgufCursor& cursor, GgufValueType type, uint64_t count) {
  if (type == GgufValueType::kString) {
    // Each string has at least its length: a count beyond that fails before the loop.
    if (count > cursor.left() / 8) return false;
    std::string_view ignored;
    for (uint64_t i = 0; i < count; ++i) {
      if (!cursor.ReadString(&ignored)) return false;
    }
    return true;
  }
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(count, uint64_t{FixedBytes(type)}, &bytes)) return false;
  return cursor.Skip(bytes);
}

template <typename T>
T Load(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

// The i-th element as a signed number; false for u64 above the signed range and for other types.
bool LoadInteger(GgufValueType type, const std::byte* data, uint64_t i, int64_t* value) {
  const std::byte* at = data + i * FixedBytes(type);
  switch (type) {
    case GgufValueType::kUint8:
    case GgufValueType::kBool:
      *value = Load<uint8_t>(at);
      return true;
    case GgufValueType::kInt8:
      *value = Load<int8_t>(at);
      return true;
    case GgufValueType::kUint16:
      *value = Load<uint16_t>(at);
      return true;
    case GgufValueType::kInt16:
      *value = Load<int16_t>(at);
      return true;
    case GgufValueType::kUint32:
      *value = Load<uint32_t>(at);
      return true;
    case GgufValueType::kInt32:
      *value = Load<int32_t>(at);
      return true;
    case GgufValueType::kUint64:
    case GgufValueType::kInt64:
      *value = Load<int64_t>(at);
      return type == GgufValueType::kInt64 || *value >= 0;
    case GgufValueType::kFloat32:
    case GgufValueType::kFloat64:
    case GgufValueType::kString:
    case GgufValueType::kArray:
      return false;
  }
  return false;
}

Error Missing(std::string_view key) {
  return NotFound(fmt::format("the model file has no metadata key {}", key));
}

Error WrongType(const GgufEntry& entry, std::string_view wanted) {
  return Corrupt(fmt::format("metadata key {} is of type {} where {} is needed", entry.key,
                             Name(entry.type), wanted));
}

}  // namespace

Result<GgufFile> GgufFile::Open(const std::string& path) {
  INFE_ASSIGN(FileDescriptor descriptor, OpenRegular(path));
  INFE_ASSIGN(const FileState state, StateOf(descriptor));
  INFE_ASSIGN(GgufFile file, Read(std::move(descriptor), state, path));
  INFE_TRY(file.JoinParts(path));
  return file;
}

Result<GgufFile> GgufFile::Read(FileDescriptor descriptor, const FileState& state,
                                const std::string& path) {
  GgufFile file;
  std::error_code error;
  const auto absolute = std::filesystem::absolute(path, error);
  file.path_ = error ? path : absolute.string();
  file.file_ = std::move(descriptor);
  file.state_ = state;
  file.file_bytes_ = file.state_.bytes;
  if (auto read = file.ReadFromFile(); !read) {
    Error failure = read.error();
    failure.message = path + ": " + failure.message;
    return failure;
  }
  return file;
}

Result<GgufFile> GgufFile::Parse(std::span<const std::byte> bytes) {
  GgufFile file;
  file.bytes_ = bytes;
  file.file_bytes_ = bytes.size();
  GgufCursor cursor(bytes);
  INFE_TRY(file.ReadHeader(cursor));
  return file;
}

// Where the header ends is known at its end only: it is read again with more of the file, a few
// times at most.
Result<void> GgufFile::ReadFromFile() {
  for (uint64_t wanted = kHeaderBytesFirst;; wanted *= kHeaderGrowth) {
    const size_t there = header_.size();
    header_.resize(static_cast<size_t>(std::min({wanted, file_bytes_, kHeaderBytesMax})));
    errno = 0;
    if (!ReadAt(file_, std::span(header_).subspan(there), there)) {
      return IoError(fmt::format("cannot be read: {}",
                                 errno != 0 ? std::strerror(errno) : "it was cut meanwhile"));
    }
    bytes_ = header_;
    entries_.clear();
    tensors_.clear();
    entry_index_.clear();
    tensor_index_.clear();
    GgufCursor cursor(bytes_, file_bytes_);
    Result<void> read = ReadHeader(cursor);
    if (read || !cursor.needs_more()) return read;
    if (header_.size() == kHeaderBytesMax) {
      return Unsupported(
          fmt::format("more than {} MiB stand before its tensors", kHeaderBytesMax >> 20));
    }
  }
}

Result<void> GgufFile::ReadTensor(const GgufTensor& tensor, uint64_t offset,
                                  std::span<std::byte> to) const {
  INFE_CHECK(offset <= tensor.bytes && to.size() <= tensor.bytes - offset);
  if (tensor.part > 0) {
    GgufTensor own = tensor;
    own.part = 0;
    return parts_[tensor.part - 1].ReadTensor(own, offset, to);
  }
  const uint64_t at = tensor.file_offset + offset;
  if (!file_.valid()) {
    std::memcpy(to.data(), bytes_.data() + at, to.size());
    return {};
  }
  errno = 0;
  if (ReadAt(file_, to, at)) return {};
  return IoError(fmt::format("{}: tensor {} cannot be read: {}", path_, tensor.name,
                             errno != 0 ? std::strerror(errno) : "the file was cut meanwhile"));
}

Result<void> GgufFile::CheckUnchanged() const {
  for (const GgufFile& part : parts_) INFE_TRY(part.CheckUnchanged());
  if (!file_.valid()) return {};
  INFE_ASSIGN(const FileState now, StateOf(file_));
  if (now == state_) return {};
  return IoError(fmt::format(
      "{}: the file was changed while it was read; once it is whole, try again", path_));
}

Result<void> GgufFile::ReadHeader(GgufCursor& cursor) {
  char magic[4];
  if (!cursor.Read(&magic) || std::memcmp(magic, kMagic, 4) != 0) {
    return Corrupt("not a GGUF file: it does not begin with the bytes GGUF");
  }
  if (!cursor.Read(&version_)) return Corrupt("the file ends inside the header");
  if (version_ != 0 && (version_ & 0xFFFF) == 0) {
    return Unsupported("the file is a big-endian GGUF; infe reads little-endian ones");
  }
  if (version_ != 2 && version_ != 3) {
    return Unsupported(fmt::format("GGUF version {} is not supported; 2 and 3 are", version_));
  }
  uint64_t tensor_count = 0;
  uint64_t entry_count = 0;
  if (!cursor.Read(&tensor_count) || !cursor.Read(&entry_count)) {
    return Corrupt("the file ends inside the header");
  }
  if (entry_count > cursor.left() / kEntryBytesMin) {
    return Corrupt(fmt::format("{} metadata entries cannot fit the file", entry_count));
  }
  INFE_TRY(ReadEntries(cursor, entry_count));
  if (tensor_count > cursor.left() / kTensorBytesMin) {
    return Corrupt(fmt::format("{} tensors cannot fit the file", tensor_count));
  }
  INFE_TRY(ReadTensors(cursor, tensor_count));
  return PlaceTensors(cursor.position());
}

Result<void> GgufFile::ReadEntries(GgufCursor& cursor, uint64_t count) {
  entries_.reserve(std::min<size_t>(count, cursor.left_here() / kEntryBytesMin));
  for (uint64_t i = 0; i < count; ++i) {
    GgufEntry entry;
    if (!cursor.ReadString(&entry.key) || entry.key.empty() || entry.key.size() > kNameBytesMax) {
      return Corrupt(fmt::format("metadata entry {} has no valid key", i));
    }
    if (!ReadType(cursor, &entry.type)) {
      return Corrupt(fmt::format("metadata key {} has no valid type", entry.key));
    }
    entry.element = entry.type;
    if (entry.type == GgufValueType::kArray) {
      if (!ReadType(cursor, &entry.element) || !cursor.Read(&entry.count)) {
        return Corrupt(fmt::format("metadata array {} has no valid type or length", entry.key));
      }
      if (entry.element == GgufValueType::kArray) {
        return Unsupported(fmt::format("metadata key {} is an array of arrays", entry.key));
      }
    }
    const size_t start = cursor.position();
    if (!SkipValues(cursor, entry.element, entry.count)) {
      return Corrupt(fmt::format("metadata key {} reaches past the end of the file", entry.key));
    }
    entry.payload = bytes_.subspan(start, cursor.position() - start);
    if (!entry_index_.emplace(entry.key, static_cast<uint32_t>(i)).second) {
      return Corrupt(fmt::format("metadata key {} appears twice", entry.key));
    }
    entries_.push_back(entry);
  }
  return {};
}

Result<void> GgufFile::ReadTensors(GgufCursor& cursor, uint64_t count) {
  tensors_.reserve(std::min<size_t>(count, cursor.left_here() / kTensorBytesMin));
  for (uint64_t i = 0; i < count; ++i) {
    INFE_ASSIGN(const GgufTensor tensor, ReadTensorRow(cursor, i));
    if (!tensor_index_.emplace(tensor.name, static_cast<uint32_t>(i)).second) {
      return Corrupt(fmt::format("tensor {} appears twice", tensor.name));
    }
    tensors_.push_back(tensor);
  }
  return {};
}

// One row of the table. Its place is checked in PlaceTensors.
Result<GgufTensor> GgufFile::ReadTensorRow(GgufCursor& cursor, uint64_t index) const {
  GgufTensor tensor;
  if (!cursor.ReadString(&tensor.name) || tensor.name.empty() ||
      tensor.name.size() > kNameBytesMax) {
    return Corrupt(fmt::format("tensor {} has no valid name", index));
  }
  if (!cursor.Read(&tensor.dimensions) || tensor.dimensions < 1 || tensor.dimensions > 4) {
    return Corrupt(fmt::format("tensor {} has no valid number of dimensions", tensor.name));
  }
  uint64_t values = 1;
  for (uint32_t d = 0; d < tensor.dimensions; ++d) {
    if (!cursor.Read(&tensor.shape[d])) {
      return Corrupt(fmt::format("the file ends in the shape of tensor {}", tensor.name));
    }
    if (tensor.shape[d] == 0 || __builtin_mul_overflow(values, tensor.shape[d], &values)) {
      return Corrupt(fmt::format("tensor {} has an impossible shape", tensor.name));
    }
  }
  if (!cursor.Read(&tensor.type) || !cursor.Read(&tensor.offset)) {
    return Corrupt(fmt::format("the file ends in the description of tensor {}", tensor.name));
  }
  const GgufTensorType* type = FindGgufTensorType(tensor.type);
  if (type == nullptr) {
    return Unsupported(
        fmt::format("tensor {} has type {}, which is not known", tensor.name, tensor.type));
  }
  tensor.type_name = type->name;
  if (tensor.shape[0] % type->block_values != 0) {
    return Corrupt(fmt::format("tensor {} has rows of {} values, not a multiple of {} ({})",
                               tensor.name, tensor.shape[0], type->block_values, type->name));
  }
  if (__builtin_mul_overflow(values / type->block_values, uint64_t{type->block_bytes},
                             &tensor.bytes) ||
      tensor.bytes > file_bytes_) {
    return Corrupt(fmt::format("tensor {} is larger than the file", tensor.name));
  }
  return tensor;
}

Result<void> GgufFile::PlaceTensors(uint64_t table_end) {
  if (tensors_.empty()) return {};
  INFE_ASSIGN(const uint64_t alignment, Unsigned("general.alignment", kAlignmentDefault));
  if (!std::has_single_bit(alignment) || alignment > kAlignmentMax) {
    return Corrupt(
        fmt::format("alignment {} is not a power of two up to {}", alignment, kAlignmentMax));
  }
  // table_end <= file size, and the alignment is small: no overflow.
  const uint64_t data_begin = (table_end + alignment - 1) / alignment * alignment;
  if (data_begin > file_bytes_) return Corrupt("the file ends before its tensor data");
  const uint64_t data_bytes = file_bytes_ - data_begin;
  std::vector<const GgufTensor*> by_offset;
  for (GgufTensor& tensor : tensors_) {
    const uint64_t size = tensor.bytes;
    if (tensor.offset % alignment != 0) {
      return Corrupt(fmt::format("tensor {} is not aligned to {}", tensor.name, alignment));
    }
    if (tensor.offset > data_bytes || size > data_bytes - tensor.offset) {
      return Corrupt(fmt::format(
          "tensor {} reaches past the end of the file ({} bytes at {}, {} are there); the file may "
          "be incomplete",
          tensor.name, size, tensor.offset, data_bytes));
    }
    tensor.file_offset = data_begin + tensor.offset;
    by_offset.push_back(&tensor);
  }
  std::sort(by_offset.begin(), by_offset.end(),
            [](const GgufTensor* a, const GgufTensor* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < by_offset.size(); ++i) {
    if (by_offset[i - 1]->offset + by_offset[i - 1]->bytes > by_offset[i]->offset) {
      return Corrupt(
          fmt::format("tensors {} and {} overlap", by_offset[i - 1]->name, by_offset[i]->name));
    }
  }
  return {};
}

const GgufEntry* GgufFile::FindEntry(std::string_view key) const {
  const auto found = entry_index_.find(key);
  return found == entry_index_.end() ? nullptr : &entries_[found->second];
}

const GgufTensor* GgufFile::FindTensor(std::string_view name) const {
  const auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &tensors_[found->second];
}

Result<uint64_t> GgufFile::Unsigned(std::string_view key) const {
  const GgufEntry* entry = FindEntry(key);
  if (entry == nullptr) return Missing(key);
  int64_t value = 0;
  if (entry->type == GgufValueType::kBool ||
      !LoadInteger(entry->type, entry->payload.data(), 0, &value) || value < 0) {
    return WrongType(*entry, "a non-negative integer");
  }
  return static_cast<uint64_t>(value);
}

Result<uint64_t> GgufFile::Unsigned(std::string_view key, uint64_t fallback) const {
  return Has(key) ? Unsigned(key) : fallback;
}

Result<double> GgufFile::Float(std::string_view key) const {
  const GgufEntry* entry = FindEntry(key);
  if (entry == nullptr) return Missing(key);
  if (entry->type == GgufValueType::kFloat32) return double{Load<float>(entry->payload.data())};
  if (entry->type == GgufValueType::kFloat64) return Load<double>(entry->payload.data());
  return WrongType(*entry, "a float");
}

Result<double> GgufFile::Float(std::string_view key, double fallback) const {
  return Has(key) ? Float(key) : fallback;
}

Result<bool> GgufFile::Bool(std::string_view key, bool fallback) const {
  const GgufEntry* entry = FindEntry(key);
  if (entry == nullptr) return fallback;
  if (entry->type != GgufValueType::kBool) return WrongType(*entry, "a bool");
  return Load<uint8_t>(entry->payload.data()) != 0;
}

Result<std::string_view> GgufFile::String(std::string_view key) const {
  const GgufEntry* entry = FindEntry(key);
  if (entry == nullptr) return Missing(key);
  std::string_view text;
  GgufCursor cursor(entry->payload);
  if (entry->type != GgufValueType::kString || !cursor.ReadString(&text)) {
    return WrongType(*entry, "a string");
  }
  return text;
}

Result<std::string_view> GgufFile::String(std::string_view key, std::string_view fallback) const {
  return Has(key) ? String(key) : fallback;
}

Result<const GgufEntry*> GgufFile::Array(std::string_view key) const {
  const GgufEntry* entry = FindEntry(key);
  if (entry == nullptr) return Missing(key);
  if (entry->type != GgufValueType::kArray) return WrongType(*entry, "an array");
  return entry;
}

Result<std::vector<std::string_view>> GgufFile::Strings(std::string_view key) const {
  INFE_ASSIGN(const GgufEntry* entry, Array(key));
  if (entry->element != GgufValueType::kString) return WrongType(*entry, "an array of strings");
  std::vector<std::string_view> texts(static_cast<size_t>(entry->count));
  GgufCursor cursor(entry->payload);
  for (std::string_view& text : texts) {
    if (!cursor.ReadString(&text)) return WrongType(*entry, "an array of strings");
  }
  return texts;
}

Result<std::vector<int64_t>> GgufFile::Integers(std::string_view key) const {
  INFE_ASSIGN(const GgufEntry* entry, Array(key));
  std::vector<int64_t> values(static_cast<size_t>(entry->count));
  for (uint64_t i = 0; i < entry->count; ++i) {
    if (!LoadInteger(entry->element, entry->payload.data(), i, &values[i])) {
      return WrongType(*entry, "an array of integers");
    }
  }
  return values;
}

Result<std::vector<float>> GgufFile::Floats(std::string_view key) const {
  INFE_ASSIGN(const GgufEntry* entry, Array(key));
  if (entry->element != GgufValueType::kFloat32) return WrongType(*entry, "an array of f32");
  std::vector<float> values(static_cast<size_t>(entry->count));
  if (!values.empty()) std::memcpy(values.data(), entry->payload.data(), entry->payload.size());
  return values;
}

}  // namespace infe::model

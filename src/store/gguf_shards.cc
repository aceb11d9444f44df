#include "store/gguf_shards.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>

#include "base/file_descriptor.h"

namespace infe::store {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr std::string_view kSuffix = ".gguf";
constexpr uint32_t kShardsMax = 1024;
// Metadata with a vocabulary is some MB; the parse reads no further than this.
constexpr uint64_t kHeadBytesMax = uint64_t{512} << 20;
constexpr uint64_t kCountMax = uint64_t{1} << 20;
constexpr uint32_t kDimensionsMax = 8;
constexpr uint64_t kAlignmentDefault = 32;
constexpr size_t kPiece = size_t{1} << 20;
// Types of GGUF values.
constexpr uint32_t kTypeU16 = 2, kTypeU32 = 4, kTypeString = 8, kTypeArray = 9;
// Sizes of the fixed ones: u8, i8, u16, i16, u32, i32, f32, bool, -, -, u64, i64, f64.
constexpr std::array<uint8_t, 13> kSizes{1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

// The bytes of a file from its start on, read as they are wanted.
class Head {
 public:
  Head(const FileDescriptor& file, uint64_t bytes) : file_(file), bytes_(bytes) {}

  Result<std::string_view> Take(uint64_t count) {
    INFE_TRY(Want(count));
    const std::string_view taken = std::string_view(text_).substr(at_, count);
    at_ += count;
    return taken;
  }
  template <typename T>
  Result<T> Number() {
    INFE_ASSIGN(const std::string_view bytes, Take(sizeof(T)));
    T value;
    std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }
  Result<std::string_view> String() {
    INFE_ASSIGN(const uint64_t length, Number<uint64_t>());
    return Take(length);
  }
  uint64_t at() const { return at_; }
  std::string Since(uint64_t begin) const { return text_.substr(begin, at_ - begin); }

 private:
  Result<void> Want(uint64_t count) {
    if (count > kHeadBytesMax || at_ + count > std::min(bytes_, kHeadBytesMax))
      return Corrupt("it ends inside its metadata");
    const uint64_t need = at_ + count;
    if (need <= text_.size()) return {};
    const uint64_t begin = text_.size();
    const uint64_t end = std::min(std::max(need, begin + kPiece), bytes_);
    text_.resize(end);
    const auto room = std::as_writable_bytes(std::span(text_)).subspan(begin);
    if (!ReadAt(file_, room, begin)) return IoError("it cannot be read");
    return {};
  }

  const FileDescriptor& file_;
  uint64_t bytes_;
  std::string text_;
  uint64_t at_ = 0;
};

struct TensorEntry {
  std::string head;     // name, dimensions and type, as the file has them
  uint64_t offset = 0;  // in the data
};

struct Shard {
  FileDescriptor file{-1};
  uint32_t version = 0;
  std::vector<std::string> values;  // of the metadata, without the keys split.*
  uint64_t alignment = kAlignmentDefault;
  std::optional<uint64_t> number, count;  // what it says of itself
  std::vector<TensorEntry> tensors;
  uint64_t data_begin = 0, data_bytes = 0;
};

uint64_t Aligned(uint64_t at, uint64_t alignment) {
  return (at + alignment - 1) / alignment * alignment;
}

// Passes a value; arrays hold fixed values or strings.
Result<void> SkipValue(Head& head, uint32_t type) {
  if (type == kTypeString) {
    INFE_TRY(head.String());
    return {};
  }
  if (type == kTypeArray) {
    INFE_ASSIGN(const uint32_t inner, head.Number<uint32_t>());
    INFE_ASSIGN(const uint64_t count, head.Number<uint64_t>());
    if (count > kHeadBytesMax) return Corrupt("an array of its metadata is too long");
    if (inner == kTypeString) {
      for (uint64_t i = 0; i < count; ++i) INFE_TRY(head.String());
      return {};
    }
    if (inner >= kSizes.size() || kSizes[inner] == 0)
      return Corrupt(fmt::format("its metadata has an array of type {}", inner));
    INFE_TRY(head.Take(count * kSizes[inner]));
    return {};
  }
  if (type >= kSizes.size() || kSizes[type] == 0)
    return Corrupt(fmt::format("its metadata has a value of type {}", type));
  INFE_TRY(head.Take(kSizes[type]));
  return {};
}

Result<void> ReadValues(Head& head, uint64_t count, Shard& shard) {
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t begin = head.at();
    INFE_ASSIGN(const std::string_view view, head.String());
    const std::string key(view);
    INFE_ASSIGN(const uint32_t type, head.Number<uint32_t>());
    const uint64_t value = head.at();
    INFE_TRY(SkipValue(head, type));
    uint64_t small = 0;
    if (type == kTypeU16 || type == kTypeU32) {
      const std::string bytes = head.Since(value);
      std::memcpy(&small, bytes.data(), bytes.size());
    }
    if (key == "general.alignment") shard.alignment = small;
    if (key == "split.no") shard.number = small;
    if (key == "split.count") shard.count = small;
    if (!key.starts_with("split.")) shard.values.push_back(head.Since(begin));
  }
  const bool is_power = shard.alignment != 0 && (shard.alignment & (shard.alignment - 1)) == 0;
  if (!is_power || shard.alignment > kPiece)
    return Corrupt(fmt::format("its general.alignment is {}", shard.alignment));
  return {};
}

Result<void> ReadTensors(Head& head, uint64_t count, Shard& shard) {
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t begin = head.at();
    INFE_TRY(head.String());
    INFE_ASSIGN(const uint32_t dimensions, head.Number<uint32_t>());
    if (dimensions > kDimensionsMax) return Corrupt("a tensor has too many dimensions");
    INFE_TRY(head.Take(dimensions * sizeof(uint64_t) + sizeof(uint32_t)));
    std::string entry = head.Since(begin);
    INFE_ASSIGN(const uint64_t offset, head.Number<uint64_t>());
    shard.tensors.push_back({std::move(entry), offset});
  }
  return {};
}

Result<Shard> ReadShard(const std::string& path) {
  Shard shard;
  INFE_ASSIGN(shard.file, OpenRegular(path));
  INFE_ASSIGN(const FileState state, StateOf(shard.file));
  Head head(shard.file, state.bytes);
  INFE_ASSIGN(const std::string_view magic, head.Take(kMagic.size()));
  if (magic != kMagic) return Corrupt("it is no GGUF file");
  INFE_ASSIGN(shard.version, head.Number<uint32_t>());
  if (shard.version != 2 && shard.version != 3)
    return Corrupt(fmt::format("it is GGUF of version {}", shard.version));
  INFE_ASSIGN(const uint64_t tensors, head.Number<uint64_t>());
  INFE_ASSIGN(const uint64_t values, head.Number<uint64_t>());
  if (tensors > kCountMax || values > kCountMax) return Corrupt("it counts too many tensors");
  INFE_TRY(ReadValues(head, values, shard));
  INFE_TRY(ReadTensors(head, tensors, shard));
  shard.data_begin = Aligned(head.at(), shard.alignment);
  // A shard of metadata only may end before its data would begin.
  shard.data_bytes = state.bytes > shard.data_begin ? state.bytes - shard.data_begin : 0;
  for (const TensorEntry& tensor : shard.tensors)
    if (tensor.offset > shard.data_bytes) return Corrupt("a tensor begins behind its end");
  return shard;
}

Error In(const std::string& path, Error error) {
  error.message = fmt::format("{}: {}", path, error.message);
  return error;
}

void Append(std::string& to, uint64_t number) {
  to.append(reinterpret_cast<const char*>(&number), sizeof(number));
}

// The head of the one file, padded to where its data begins.
std::string JoinedHead(const std::vector<Shard>& shards) {
  const Shard& first = shards.front();
  uint64_t count = 0;
  for (const Shard& shard : shards) count += shard.tensors.size();
  std::string head(kMagic);
  head.append(reinterpret_cast<const char*>(&first.version), sizeof(first.version));
  Append(head, count);
  Append(head, first.values.size());
  for (const std::string& value : first.values) head += value;
  uint64_t base = 0;
  for (const Shard& shard : shards) {
    for (const TensorEntry& tensor : shard.tensors) {
      head += tensor.head;
      Append(head, base + tensor.offset);
    }
    base += Aligned(shard.data_bytes, first.alignment);
  }
  head.resize(Aligned(head.size(), first.alignment));
  return head;
}

Result<void> CheckTogether(const std::vector<Shard>& shards,
                           const std::vector<std::string>& paths) {
  for (size_t i = 0; i < shards.size(); ++i) {
    const Shard& shard = shards[i];
    if (shard.number.value_or(i) != i || shard.count.value_or(shards.size()) != shards.size())
      return Corrupt(
          fmt::format("{}: it says that it is part {} of {}, and is taken for part {} "
                      "of {}",
                      paths[i], shard.number.value_or(i) + 1, shard.count.value_or(shards.size()),
                      i + 1, shards.size()));
    if (shard.alignment != shards.front().alignment && !shard.tensors.empty())
      return Corrupt(
          fmt::format("{}: its tensors are aligned otherwise than those of the first "
                      "part",
                      paths[i]));
  }
  return {};
}

}  // namespace

std::optional<ShardName> ShardOf(std::string_view file) {
  // -00001-of-00003.gguf
  constexpr size_t kTail = 1 + 5 + 4 + 5;
  if (!file.ends_with(kSuffix)) return std::nullopt;
  const std::string_view name = file.substr(0, file.size() - kSuffix.size());
  if (name.size() <= kTail) return std::nullopt;
  const std::string_view tail = name.substr(name.size() - kTail);
  if (tail[0] != '-' || tail.substr(6, 4) != "-of-") return std::nullopt;
  ShardName shard{name.substr(0, name.size() - kTail), 0, 0};
  for (size_t i = 0; i < 5; ++i) {
    const char number = tail[1 + i], count = tail[10 + i];
    if (number < '0' || number > '9' || count < '0' || count > '9') return std::nullopt;
    shard.number = shard.number * 10 + static_cast<uint32_t>(number - '0');
    shard.count = shard.count * 10 + static_cast<uint32_t>(count - '0');
  }
  if (shard.number == 0 || shard.number > shard.count || shard.count > kShardsMax)
    return std::nullopt;
  return shard;
}

std::string ShardFile(std::string_view stem, uint32_t number, uint32_t count) {
  return fmt::format("{}-{:05}-of-{:05}{}", stem, number, count, kSuffix);
}

Result<void> JoinShards(const std::vector<std::string>& paths, const std::string& target,
                        const JoinOptions& options) {
  std::vector<Shard> shards;
  uint64_t total = 0, done = 0;
  for (const std::string& path : paths) {
    auto shard = ReadShard(path);
    if (!shard) return In(path, std::move(shard).error());
    total += shard->data_bytes;
    shards.push_back(std::move(*shard));
  }
  if (shards.empty()) return InvalidArgument("there are no parts to join");
  INFE_TRY(CheckTogether(shards, paths));
  const uint64_t alignment = shards.front().alignment;
  INFE_ASSIGN(const FileDescriptor out, CreateRegular(target, 0644));
  const auto write = [&](std::span<const std::byte> bytes) -> Result<void> {
    if (!WriteAll(out, bytes))
      return IoError(fmt::format("cannot write {}: {}", target, std::strerror(errno)));
    return {};
  };
  const std::string head = JoinedHead(shards);
  INFE_TRY(write(std::as_bytes(std::span(head))));
  std::vector<std::byte> buffer(kPiece);
  for (size_t i = 0; i < shards.size(); ++i) {
    const Shard& shard = shards[i];
    for (uint64_t at = 0; at < shard.data_bytes;) {
      const auto piece = std::span(buffer).first(std::min<uint64_t>(kPiece, shard.data_bytes - at));
      if (!ReadAt(shard.file, piece, shard.data_begin + at))
        return IoError(fmt::format("cannot read {}", paths[i]));
      INFE_TRY(write(piece));
      at += piece.size();
      done += piece.size();
      if (options.on_progress) options.on_progress(done, total);
      if (options.cancelled && options.cancelled())
        return Error{ErrorCode::kCancelled, "interrupted; the next pull goes on from here", {}};
    }
    const uint64_t padding = Aligned(shard.data_bytes, alignment) - shard.data_bytes;
    std::fill_n(buffer.begin(), padding, std::byte{0});
    INFE_TRY(write(std::span(buffer).first(padding)));
  }
  return {};
}

}  // namespace infe::store

#include "store/gguf_shards.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include <fmt/format.h>

#include "base/file_descriptor.h"
#include "store/gguf_head.h"

namespace infe::store {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr uint64_t kAlignmentDefault = 32;
constexpr size_t kPiece = size_t{1} << 20;
// Over all parts: their tables are held until the one table is written.
constexpr uint64_t kTensorsMax = uint64_t{1} << 20;

struct Shard {
  FileDescriptor file{-1};
  uint32_t version = 0;
  std::vector<std::string> values;  // of the metadata, without the keys split.*
  uint64_t alignment = kAlignmentDefault;
  std::optional<uint64_t> number, count, tensors_of_all;  // what it says of the split
  std::vector<GgufHeadTensor> tensors;
  uint64_t data_begin = 0, data_bytes = 0;
};

uint64_t Aligned(uint64_t at, uint64_t alignment) {
  return (at + alignment - 1) / alignment * alignment;
}

Result<void> ReadValues(GgufHead& head, uint64_t count, Shard& shard) {
  for (uint64_t i = 0; i < count; ++i) {
    INFE_ASSIGN(GgufHeadValue value, head.Value());
    if (value.key == "general.alignment") shard.alignment = value.number.value_or(0);
    if (value.key == "split.no") shard.number = value.number;
    if (value.key == "split.count") shard.count = value.number;
    if (value.key == "split.tensors.count") shard.tensors_of_all = value.number;
    if (!value.key.starts_with("split.")) shard.values.push_back(std::move(value.bytes));
  }
  const bool is_power = shard.alignment != 0 && (shard.alignment & (shard.alignment - 1)) == 0;
  if (!is_power || shard.alignment > kPiece)
    return Corrupt(fmt::format("its general.alignment is {}", shard.alignment));
  return {};
}

Result<Shard> ReadShard(const std::string& path) {
  Shard shard;
  INFE_ASSIGN(shard.file, OpenRegular(path));
  INFE_ASSIGN(const FileState state, StateOf(shard.file));
  GgufHead head(state.bytes, [&](std::span<std::byte> to, uint64_t offset) -> Result<void> {
    if (!ReadAt(shard.file, to, offset)) return IoError("it cannot be read");
    return {};
  });
  INFE_ASSIGN(const GgufCounts counts, head.Counts());
  shard.version = counts.version;
  INFE_TRY(ReadValues(head, counts.values, shard));
  for (uint64_t i = 0; i < counts.tensors; ++i) {
    INFE_ASSIGN(GgufHeadTensor tensor, head.Tensor());
    shard.tensors.push_back(std::move(tensor));
  }
  shard.data_begin = Aligned(head.at(), shard.alignment);
  // A shard of metadata only may end before its data would begin.
  shard.data_bytes = state.bytes > shard.data_begin ? state.bytes - shard.data_begin : 0;
  for (const GgufHeadTensor& tensor : shard.tensors)
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
    for (const GgufHeadTensor& tensor : shard.tensors) {
      head += tensor.bytes;
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
  uint64_t tensors = 0;
  for (const Shard& shard : shards) tensors += shard.tensors.size();
  const uint64_t said = shards.front().tensors_of_all.value_or(tensors);
  if (said != tensors)
    return Corrupt(fmt::format("{}: its model has {} tensors, and the parts hold {}", paths.front(),
                               said, tensors));
  return {};
}

}  // namespace

Result<void> JoinShards(const std::vector<std::string>& paths, const std::string& target,
                        const JoinOptions& options) {
  std::vector<Shard> shards;
  uint64_t total = 0, done = 0, tensors = 0;
  for (const std::string& path : paths) {
    auto shard = ReadShard(path);
    if (!shard) return In(path, std::move(shard).error());
    total += shard->data_bytes;
    tensors += shard->tensors.size();
    if (tensors > kTensorsMax)
      return In(path, Corrupt("it and those before have too many tensors"));
    // The first has the model's metadata; what others repeat of it is not wanted.
    if (!shards.empty()) shard->values.clear();
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

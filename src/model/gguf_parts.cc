// A model file in several parts: their tensors under one roof, read where each is.
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/split_name.h"
#include "model/gguf.h"

namespace infe::model {
namespace {

// What tools that split a file write into each part.
constexpr std::string_view kSplitNumber = "split.no";
constexpr std::string_view kSplitCount = "split.count";
constexpr std::string_view kSplitTensors = "split.tensors.count";

}  // namespace

Result<void> GgufFile::JoinParts(const std::string& path) {
  const std::vector<std::string> paths = PartPaths(path);
  for (size_t i = 1; i < paths.size(); ++i) {
    INFE_ASSIGN(GgufFile part, Open(paths[i]));
    INFE_TRY(Join(std::move(part)));
  }
  return {};
}

Result<void> GgufFile::Join(GgufFile part) {
  const uint64_t next = parts_.size() + 1;
  INFE_ASSIGN(const uint64_t own, Unsigned(kSplitNumber, 0));
  INFE_ASSIGN(const uint64_t count, Unsigned(kSplitCount, 0));
  INFE_ASSIGN(const uint64_t number, part.Unsigned(kSplitNumber, 0));
  INFE_ASSIGN(const uint64_t same, part.Unsigned(kSplitCount, 0));
  if (own != 0 || number != next || same != count || next >= count) {
    return Corrupt(fmt::format("{}: not part {} of {} that {} was split into", part.path_, next + 1,
                               count, path_));
  }
  for (GgufTensor tensor : part.tensors_) {
    tensor.part = static_cast<uint32_t>(next);
    if (!tensor_index_.emplace(tensor.name, static_cast<uint32_t>(tensors_.size())).second) {
      return Corrupt(
          fmt::format("{}: tensor {} stands in another part already", part.path_, tensor.name));
    }
    tensors_.push_back(tensor);
  }
  parts_.push_back(std::move(part));
  return {};
}

Result<void> GgufFile::CheckWhole() const {
  INFE_ASSIGN(const uint64_t count, Unsigned(kSplitCount, 0));
  if (count < 2) return {};
  INFE_ASSIGN(const uint64_t number, Unsigned(kSplitNumber, 0));
  if (number != 0) {
    return Unsupported(
        fmt::format("it is part {} of {} of a file that was split: name the first part, "
                    "NAME-00001-of-{:05}.gguf",
                    number + 1, count, count));
  }
  if (parts_.size() + 1 != count) {
    return Unsupported(
        fmt::format("it is part 1 of {} of a file that was split, and the others are found only "
                    "where their names end with -00001-of-{:05}.gguf and so on",
                    count, count));
  }
  INFE_ASSIGN(const uint64_t tensors, Unsigned(kSplitTensors, tensors_.size()));
  if (tensors != tensors_.size()) {
    return Corrupt(fmt::format("its {} parts hold {} tensors where the first says {}", count,
                               tensors_.size(), tensors));
  }
  return {};
}

uint64_t GgufFile::file_bytes() const {
  uint64_t bytes = file_bytes_;
  for (const GgufFile& part : parts_) bytes += part.file_bytes_;
  return bytes;
}

}  // namespace infe::model

// A model in several files, as llama.cpp's gguf-split cuts it: STEM-00001-of-00003.gguf and so on,
// each a GGUF file with its share of the tensors, the first with the whole metadata. Joined into
// one file they are what was cut.
//
// Source: ggml/docs/gguf.md for the format; the keys split.no, split.count, split.tensors.count.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace infe::store {

struct ShardName {
  std::string_view stem;  // before -NNNNN-of-NNNNN.gguf, folders included
  uint32_t number = 0;    // from 1
  uint32_t count = 0;
};
// Nothing: it is no name of a shard.
std::optional<ShardName> ShardOf(std::string_view file);
std::string ShardFile(std::string_view stem, uint32_t number, uint32_t count);

struct JoinOptions {
  std::function<void(uint64_t done, uint64_t total)> on_progress;  // optional; bytes
  std::function<bool()> cancelled;                                 // optional, polled
};
// Writes the one file at `target`, tensors in the shards' order. kCorrupt, naming the file, if one
// is no GGUF of version 3 (or 2), or they are not the parts of one model.
Result<void> JoinShards(const std::vector<std::string>& shards, const std::string& target,
                        const JoinOptions& options);

}  // namespace infe::store

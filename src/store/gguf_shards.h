// A model in several files, as llama.cpp's gguf-split cuts it (base/split_name.h for their names):
// each a GGUF file with its share of the tensors, the first with the whole metadata. Joined into
// one file they are what was cut, to the byte.
//
// Source: ggml/docs/gguf.md for the format; the keys split.no, split.count, split.tensors.count.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"

namespace infe::store {

struct JoinOptions {
  std::function<void(uint64_t done, uint64_t total)> on_progress;  // optional; bytes
  std::function<bool()> cancelled;                                 // optional, polled
};
// Writes the one file at `target`, tensors in the shards' order. kCorrupt, naming the file, if one
// is no GGUF of version 3 (or 2), or they are not the parts of one model.
Result<void> JoinShards(const std::vector<std::string>& shards, const std::string& target,
                        const JoinOptions& options);

}  // namespace infe::store

// A BERT of embeddings as it is published (safetensors, config.json, vocab.txt) made into one GGUF
// file, for a pull to check and keep. The same files always make the same bytes: the registry names
// the digest of the result. Weights stay float32; the training task's own layers are left out; the
// rows of a text are pooled by their mean.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace infe::store {

struct CheckpointFiles {
  std::string tensors;  // paths
  std::string config;
  std::string vocabulary;
};

// title: the model's name in the file. kCorrupt, with the file's path, for what is no such
// checkpoint; kResourceExhausted if it is larger than `bytes_max`.
Result<void> ConvertBert(const CheckpointFiles& from, const std::string& title, uint64_t bytes_max,
                         const std::string& target);

}  // namespace infe::store

// What the families share: the metadata keys that all of them have, RoPE scaling, and the checks of
// a finished config.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/gguf.h"
#include "model/model_config.h"

namespace infe::model {

// What a family computes beside what all do; the others' keys for it are refused.
struct Supports {
  bool experts = false;        // expert_count and its like
  bool partial_rope = false;   // rope.dimension_count below the size of a head
  bool rope_scalings = false;  // rope.scaling.type "yarn" and "longrope"
  bool other_mixers = false;   // layers without keys and values: attention.head_count_kv is 0
  bool predictors = false;     // layers that predict further tokens: they are left out
  // LayerNorms, and no head: positions see both sides and the rows are pooled, or it is refused.
  bool encoder = false;
  // Positions see both sides though the file need not say so, whatever its norms.
  bool both_sides = false;
};

// Shapes, names, epsilon, RoPE base and scaling, scale 1/sqrt(head_dim): every layer attention and
// SwiGLU, all alike; experts, if the file has them (ReadExperts). Keys are
// "<architecture>.block_count" and so on. A file that says how rows are pooled is a model of
// embeddings, whatever its family, and one whose attention is not causal must be. Whether biases,
// norms and a separate head exist is read off the tensor table.
Result<ModelConfig> ReadCommonConfig(const GgufFile& file, std::string_view architecture,
                                     const Supports& supports = {});

// The parts of a layer that ReadCommonConfig made.
AttentionConfig& AttentionOf(LayerConfig& layer);
DenseFfnConfig& DenseFfnOf(LayerConfig& layer);
MoeFfnConfig& MoeFfnOf(LayerConfig& layer);

// A key that is a number for all layers, or an array of one for each; `fallback` for all if it is
// absent. kCorrupt if an array has another length or a number is above max.
Result<std::vector<uint32_t>> ReadLayerSizes(const GgufFile& file, const std::string& key,
                                             size_t layers, uint64_t max, uint32_t fallback);

// Which layers attend to a window, by <prefix>attention.sliding_window_pattern: an array of
// booleans, or a period n of which the last layer does not. fallback: the period without the key.
Result<std::vector<bool>> ReadWindowed(const GgufFile& file, const std::string& prefix,
                                       size_t layers, uint32_t fallback);

// attention.sliding_window, in 1..2^24.
Result<uint32_t> ReadWindow(const GgufFile& file, const std::string& prefix);

// A key in 0..max; 0 if it is absent.
Result<uint32_t> ReadSize(const GgufFile& file, const std::string& key, uint64_t max);

// Rows of a matrix, in 1..2^20.
Result<uint32_t> CheckedWidth(uint64_t rows);

// A base of frequencies.
Result<float> ReadRopeBase(const GgufFile& file, const std::string& key, float fallback);

// A key that is a factor: in (0, 1e6), or 1 if it is absent.
Result<float> ReadFactor(const GgufFile& file, const std::string& key);

// The same with another fallback.
Result<float> ReadFactorOr(const GgufFile& file, const std::string& key, float fallback);

// Shapes that the kernels can compute and sizes that are sane.
Result<void> CheckConfig(const ModelConfig& config);

// "Q4_K_M" for general.file_type 15.
std::string_view FileTypeName(uint64_t file_type);

}  // namespace infe::model

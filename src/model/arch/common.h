// What the families share: the metadata keys that all of them have, RoPE scaling, and the checks of
// a finished config.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "model/gguf.h"
#include "model/model_config.h"

namespace infe::model {

// What a family computes beside what all do; the others' keys for it are refused.
struct Supports {
  bool experts = false;        // expert_count and its like
  bool partial_rope = false;   // rope.dimension_count below the size of a head
  bool rope_scalings = false;  // rope.scaling.type "yarn" and "longrope"
};

// Shapes, names, epsilon, RoPE base and scaling, scale 1/sqrt(head_dim): every layer attention and
// SwiGLU, all alike; experts, if the file has them (ReadExperts). Keys are
// "<architecture>.block_count" and so on. Whether biases, norms and a separate head exist is read
// off the tensor table.
Result<ModelConfig> ReadCommonConfig(const GgufFile& file, std::string_view architecture,
                                     const Supports& supports = {});

// The parts of a layer that ReadCommonConfig made.
AttentionConfig& AttentionOf(LayerConfig& layer);
DenseFfnConfig& DenseFfnOf(LayerConfig& layer);
MoeFfnConfig& MoeFfnOf(LayerConfig& layer);

// A key that is a factor: in (0, 1e6), or 1 if it is absent.
Result<float> ReadFactor(const GgufFile& file, const std::string& key);

// Shapes that the kernels can compute and sizes that are sane.
Result<void> CheckConfig(const ModelConfig& config);

// "Q4_K_M" for general.file_type 15.
std::string_view FileTypeName(uint64_t file_type);

}  // namespace infe::model

// What the families share: the metadata keys that all of them have, RoPE scaling, and the checks of
// a finished config.
#pragma once

#include <string_view>

#include "base/result.h"
#include "model/gguf.h"
#include "model/model_config.h"

namespace infe::model {

// Shapes, names, epsilon, RoPE base and scaling, scale 1/sqrt(head_dim): every layer dense
// attention and SwiGLU, all alike. Keys are "<architecture>.block_count" and so on. Whether biases,
// norms and a separate head exist is read off the tensor table.
Result<ModelConfig> ReadCommonConfig(const GgufFile& file, std::string_view architecture);

// The parts of a layer that ReadCommonConfig made.
AttentionConfig& AttentionOf(LayerConfig& layer);
DenseFfnConfig& DenseFfnOf(LayerConfig& layer);

// Shapes that the kernels can compute and sizes that are sane.
Result<void> CheckConfig(const ModelConfig& config);

// "Q4_K_M" for general.file_type 15.
std::string_view FileTypeName(uint64_t file_type);

}  // namespace infe::model

// What a model is: shapes and constants, read from GGUF metadata by its architecture's file.
// Nothing outside model/arch asks for the family: differences between families are fields here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace infe::model {

enum class Activation : uint8_t { kSwiGlu, kGeGlu };

struct ModelConfig {
  std::string architecture;  // "llama", "qwen2", "qwen3", "gemma3"
  std::string name;          // general.name
  std::string quantisation;  // "Q4_K_M", by general.file_type
  std::string licence;       // general.license, may be empty
  uint32_t layers = 0;
  uint32_t embedding = 0;  // d_model
  uint32_t feed_forward = 0;
  uint32_t heads = 0;
  uint32_t kv_heads = 0;
  uint32_t head_dim = 0;
  uint32_t vocabulary = 0;      // rows of the output head
  uint32_t context_length = 0;  // positions the model was made for
  float rms_epsilon = 0;
  float attention_scale = 0;  // multiplies q.k
  float embedding_scale = 1;  // Gemma: sqrt(embedding)
  Activation activation = Activation::kSwiGlu;
  bool qkv_bias = false;
  bool qk_norm = false;
  bool post_norms =
      false;  // Gemma: norms after attention and after feed-forward, before the residual
  bool tied_head = false;
  bool rope_interleaved = false;          // the file pairs (2i, 2i+1); packing permutes it away
  std::vector<uint32_t> window_of_layer;  // 0: global attention
  std::vector<float> rope_base_of_layer;
  std::vector<float> rope_scale_of_layer;  // linear scaling: positions are divided by it
};

}  // namespace infe::model

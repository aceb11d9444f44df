// What a model is: shapes and constants, read from GGUF metadata by its architecture's file.
// Nothing outside model/arch asks for the family: differences between families are fields here and
// in layer_config.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/layer_config.h"

namespace infe::model {

struct ModelConfig {
  std::string architecture;  // general.architecture
  std::string name;          // general.name
  std::string quantisation;  // "Q4_K_M", by general.file_type
  std::string licence;       // general.license, may be empty
  std::vector<LayerConfig> layers;
  uint32_t embedding = 0;       // d_model
  uint32_t vocabulary = 0;      // rows of the output head
  uint32_t context_length = 0;  // positions the model was made for
  float rms_epsilon = 0;
  float embedding_scale = 1;  // Gemma: sqrt(embedding)
  float logit_scale = 1;      // multiplies the logits
  float logit_softcap = 0;    // then x becomes softcap * tanh(x / softcap); 0: it stays
  // Each layer adds something that the token alone says, of so many dimensions (Gemma's per-layer
  // embeddings); 0: none.
  uint32_t per_layer_width = 0;
  std::string_view output_norm = "output_norm";  // name of its tensor
  std::vector<std::string> skipped;  // tensors whose names begin so are known, and not read
  bool tied_head = false;
};

}  // namespace infe::model

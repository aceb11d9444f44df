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

// Of the residual stream. Norms of heads are RMSNorms everywhere.
enum class NormKind : uint8_t { kRms, kLayer };

// How the rows of a text become one.
enum class Pooling : uint8_t {
  kNone,  // they do not: the model has a head and writes
  kMean,
  kFirst,
  kLast,
};

// What is made of a text's row: matrix * row, and what is done to that.
struct PoolMap {
  std::string_view tensor;  // "cls": the matrix is cls.weight
  uint32_t rows = 0;
  bool bias = false;  // tensor.bias is added
  bool tanh = false;  // then each x becomes tanh(x)
};

struct ModelConfig {
  std::string architecture;  // general.architecture
  std::string name;          // general.name
  std::string quantisation;  // "Q4_K_M", by general.file_type
  std::string licence;       // general.license, may be empty
  std::vector<LayerConfig> layers;
  uint32_t embedding = 0;       // d_model
  uint32_t vocabulary = 0;      // rows of the output head
  uint32_t context_length = 0;  // positions the model was made for
  float rms_epsilon = 0;        // of every norm, of whichever kind
  NormKind norms = NormKind::kRms;
  float embedding_scale = 1;  // Gemma: sqrt(embedding)
  float logit_scale = 1;      // multiplies the logits
  float logit_softcap = 0;    // then x becomes softcap * tanh(x / softcap); 0: it stays
  // Each layer adds something that the token alone says, of so many dimensions (Gemma's per-layer
  // embeddings); 0: none.
  uint32_t per_layer_width = 0;
  std::string_view output_norm = "output_norm";  // name of its tensor
  std::vector<std::string> skipped;  // tensors whose names begin so are known, and not read
  bool tied_head = false;
  bool learnt_positions = false;  // a row for each position of the context is added
  uint32_t token_types = 0;       // rows of a table of which the first is added everywhere; 0: none
  Pooling pooling = Pooling::kNone;
  std::vector<PoolMap> pool_maps = {};  // one after the other
  // A text is a pair: a question, and what may answer it. One number comes out: how well it does.
  bool ranks = false;
  // Rows are multiplied as they are, by weights that are floats in memory whatever the file has:
  // embeddings are compared by small angles, and integers of 8 bits on both sides turn those of a
  // small encoder by up to 3 degrees (a cosine of 0.9988; weights alone: 0.9996).
  bool float_products = false;
};

}  // namespace infe::model

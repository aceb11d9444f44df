// BERT and its line as embedding models (MiniLM, BGE, mxbai, Arctic, E5): every position sees the
// whole text, a row is learnt for each position, biases everywhere, LayerNorms of the stream behind
// attention and feed-forward part, GELU by the error function (which the file does not say, and
// checkpoints want). Devlin et al. 2019, Reimers & Gurevych 2019.
#include "model/arch/architecture.h"
#include "model/arch/common.h"

namespace infe::model {

Result<ModelConfig> ReadBertConfig(const GgufFile& file) {
  INFE_ASSIGN(ModelConfig config, ReadCommonConfig(file, "bert", {.encoder = true}));
  config.learnt_positions = true;
  for (LayerConfig& layer : config.layers) {
    layer.pre_norms = false;
    layer.stream_norms = true;
    AttentionConfig& attention = AttentionOf(layer);
    attention.rope = {};
    attention.qkv_bias = true;
    attention.output_bias = true;
    DenseFfnConfig& ffn = DenseFfnOf(layer);
    ffn.activation = Activation::kGelu;
    ffn.bias = true;
  }
  return config;
}

}  // namespace infe::model

// What one layer of a model computes: a mixer, in which positions see each other, and a
// feed-forward part, which looks at each row alone. Both read the residual stream and add to it.
// Read from GGUF metadata by an architecture's file (arch/), computed by the parts of the same
// names (parts/).
#pragma once

#include <cstdint>
#include <string>
#include <variant>

namespace infe::model {

enum class Activation : uint8_t { kSwiGlu, kGeGlu };

// Frequencies of long contexts stretched in part, by how often they turn within the context the
// model was made for. Peng et al. 2023.
struct YarnConfig {
  float factor = 1;  // 1: not at all
  uint32_t original_context = 0;
  float beta_fast = 32;  // turns: from here on a frequency stays as it is
  float beta_slow = 1;   // up to here it is divided by factor

  bool operator==(const YarnConfig&) const = default;
};

// How a position turns queries and keys.
struct RopeConfig {
  uint32_t dims = 0;  // of each head, from its first; 0: not at all
  float base = 10000;
  float scale = 1;            // linear scaling: positions are divided by it
  bool interleaved = false;   // the file pairs (2i, 2i+1); packing permutes it away
  std::string factors;        // tensor [dims / 2] that divides the frequencies; empty: none
  std::string other_factors;  // a tensor for contexts of other lengths: known, not read
  YarnConfig yarn;
  float amplitude = 1;  // multiplies cosine and sine

  bool operator==(const RopeConfig&) const = default;
};

struct AttentionConfig {
  uint32_t heads = 0;
  uint32_t kv_heads = 0;
  uint32_t head_dim = 0;
  uint32_t window = 0;  // 0: global attention
  float scale = 0;      // multiplies q.k
  RopeConfig rope;
  bool fused_qkv = false;  // one tensor holds Q, K and V, in this order
  bool qkv_bias = false;
  bool qk_norm = false;  // an RMSNorm over each head of Q and K, before they are turned
  // Queries grow with their position: by 1 + growth * ln(1 + position / period, rounded down).
  float query_growth = 0;
  uint32_t query_period = 1;
};

struct DenseFfnConfig {
  uint32_t width = 0;
  Activation activation = Activation::kSwiGlu;
  bool fused_gate_up = false;  // one tensor holds both, gate first
};

// How the experts of a row are chosen and weighed, from the router's logits.
enum class RouterKind : uint8_t {
  kSoftmax,          // probabilities over all experts
  kSigmoid,          // of each expert by itself
  kSoftmaxOfChosen,  // chosen by logit; probabilities over those
};

struct MoeFfnConfig {
  uint32_t experts = 0;
  uint32_t used = 0;   // of a row
  uint32_t width = 0;  // of one expert
  Activation activation = Activation::kSwiGlu;
  RouterKind router = RouterKind::kSoftmax;
  bool select_bias = false;   // a bias per expert that chooses and does not weigh
  bool normalise = false;     // the weights of a row's experts are divided by their sum
  float weight_scale = 1;     // and multiplied by this
  uint32_t shared_width = 0;  // of an expert that every row uses; 0: none
  bool shared_gate = false;   // it is weighed by a sigmoid of its own
};

struct LayerConfig {
  std::variant<AttentionConfig> mixer;
  std::variant<DenseFfnConfig, MoeFfnConfig> feed_forward;
  bool pre_norms = true;  // of what the mixer and the feed-forward part read
  // Norms of what the mixer and the feed-forward part put out, before it is added (Gemma).
  bool post_norms = false;
  float residual_scale = 1;  // multiplies what they put out
};

}  // namespace infe::model

// What one layer of a model computes: a mixer, in which positions see each other, and a
// feed-forward part, which looks at each row alone. Both read the residual stream and add to it.
// Read from GGUF metadata by an architecture's file (arch/), computed by the parts of the same
// names (parts/).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace infe::model {

enum class Activation : uint8_t {
  kSwiGlu,
  kGeGlu,
  kClampedSwiGlu,  // gate up to 7, up within +-7 and plus 1, a sigmoid of 1.702 times the gate
  kGelu,           // of one product, without a gate
  kReluSquared,    // the same
};

// Whether there is a product of its own for what multiplies the other's.
constexpr bool IsGated(Activation activation) {
  return activation != Activation::kGelu && activation != Activation::kReluSquared;
}

// Frequencies of long contexts stretched in part, by how often they turn within the context the
// model was made for. Peng et al. 2023.
struct YarnConfig {
  float factor = 1;  // 1: not at all
  uint32_t original_context = 0;
  float beta_fast = 32;    // turns: from here on a frequency stays as it is
  float beta_slow = 1;     // up to here it is divided by factor
  bool whole_dims = true;  // both borders are rounded outwards, to whole dimensions

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
  // Positions see those before them. Else all of the text, which is one item of one step then, and
  // a window reaches half of its length to each side.
  bool causal = true;
  RopeConfig rope;
  bool fused_qkv = false;  // one tensor holds Q, K and V, in this order
  bool qkv_bias = false;
  bool qk_norm = false;      // an RMSNorm over each head of Q and K, before they are turned
  bool whole_norm = false;   // ... over all heads at once
  bool value_norm = false;   // an RMSNorm without weights over each head of V
  bool output_bias = false;  // behind the output projection
  bool sinks = false;        // each head has one more score, of a key without a value
  float softcap = 0;         // scores x become softcap * tanh(x / softcap); 0: they stay
  // The tensor of Q holds a gate behind the query of each head: what is attended is multiplied by
  // its sigmoid.
  bool gated = false;
  bool values_are_keys = false;  // no projection of values: keys before their norm and rotation
  // The layer whose keys and values are read: none are made here.
  std::optional<uint32_t> kv_source = {};
  // Queries grow with their position: by 1 + growth * ln(1 + position / period, rounded down).
  float query_growth = 0;
  uint32_t query_period = 1;
};

struct DenseFfnConfig {
  uint32_t width = 0;
  Activation activation = Activation::kSwiGlu;
  bool fused_gate_up = false;              // one tensor holds both, gate first
  std::string_view pre_norm = "ffn_norm";  // names of tensors
  std::string_view post_norm = "post_ffw_norm";
  bool bias = false;  // of both products; only without a gate
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
  bool biases = false;        // of the router, and of the experts' matrices
  // The router has a norm of its own, without a weight for each dimension but with a scale.
  bool router_norm = false;
  bool expert_scales = false;  // what an expert puts out is multiplied by a number of its own
  std::string_view pre_norm = "ffn_norm";  // names of tensors
  std::string_view post_norm = "post_ffw_norm";
};

// A dense part and experts side by side: each has its own norms, and their sum has one more.
struct TwinFfnConfig {
  DenseFfnConfig dense;
  MoeFfnConfig experts;
};

// Gated delta net: a recurrence whose state is a matrix for each head (kernels::Recurrence).
struct DeltaNetConfig {
  uint32_t key_heads = 0;
  uint32_t value_heads = 0;
  uint32_t head_dim = 0;   // of keys and of values
  uint32_t conv_taps = 0;  // of the convolution over Q, K and V, the newest last
  // Value heads in runs share a key head; else value head h has key head h modulo their number.
  bool runs_of_heads = false;
  bool fused_gates = false;  // one tensor of betas and alphas, for each key head those of its run
};

// A convolution of a few positions between two gates.
struct ShortConvConfig {
  uint32_t taps = 0;  // positions, the newest last
};

// A recurrence with a scalar decay for each head, between a convolution and a gated norm. Dao & Gu
// 2024.
struct Mamba2Config {
  uint32_t inner = 0;  // heads * dimensions of a head
  uint32_t heads = 0;
  uint32_t groups = 0;  // heads of a group share keys and queries, and a norm
  uint32_t state = 0;   // dimensions of keys and queries
  uint32_t conv_taps = 0;
};

// A layer has one of the two at least.
struct LayerConfig {
  // monostate: none.
  std::variant<AttentionConfig, DeltaNetConfig, ShortConvConfig, Mamba2Config, std::monostate>
      mixer;
  // A second one that reads what the mixer reads: both add to the stream.
  std::optional<Mamba2Config> beside;
  // monostate: none.
  std::variant<DenseFfnConfig, MoeFfnConfig, TwinFfnConfig, std::monostate> feed_forward;
  bool pre_norms = true;  // of what the mixer and the feed-forward part read
  // Norms of what the mixer and the feed-forward part put out, before it is added (Gemma).
  bool post_norms = false;
  // Norms of the stream itself, behind what each of the two has added to it (BERT): the next one
  // reads what is normed and adds to it. The first layer's is that of the embedding.
  bool stream_norms = false;
  float residual_scale = 1;  // multiplies what they put out
  // The layer ends with a tensor of one number that multiplies the stream.
  bool output_scale = false;
};

}  // namespace infe::model

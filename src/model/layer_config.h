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

// How a position turns queries and keys.
struct RopeConfig {
  uint32_t dims = 0;  // of each head, from its first; 0: not at all
  float base = 10000;
  float scale = 1;           // linear scaling: positions are divided by it
  bool interleaved = false;  // the file pairs (2i, 2i+1); packing permutes it away
  std::string factors;       // tensor [dims / 2] that divides the frequencies; empty: none

  bool operator==(const RopeConfig&) const = default;
};

struct AttentionConfig {
  uint32_t heads = 0;
  uint32_t kv_heads = 0;
  uint32_t head_dim = 0;
  uint32_t window = 0;  // 0: global attention
  float scale = 0;      // multiplies q.k
  RopeConfig rope;
  bool qkv_bias = false;
  bool qk_norm = false;  // an RMSNorm over each head of Q and K, before they are turned
};

struct DenseFfnConfig {
  uint32_t width = 0;
  Activation activation = Activation::kSwiGlu;
};

struct LayerConfig {
  std::variant<AttentionConfig> mixer;
  std::variant<DenseFfnConfig> feed_forward;
  // Norms of what the mixer and the feed-forward part put out, before it is added (Gemma).
  bool post_norms = false;
};

}  // namespace infe::model

// Attention as it is defined, a row and a head at a time, products in f64: the reference for the
// tiles and the online softmax of vec/attention-inl.h, with which it shares no code but the
// exponential.
#include <algorithm>
#include <cstring>

#include "kernels/generic/generic.h"
#include "kernels/generic/vec.h"
#include "kernels/half.h"
#include "kernels/vec/exp-inl.h"
#include "kernels/vec/quantise_head-inl.h"

namespace infe::kernels::generic {
namespace {

// A row that has seen no key yet; finite, so that differences of two such are 0 and not NaN.
constexpr float kNothingSeen = -1e30f;

// The int8 tile: f32 scales of the 32 keys, of the 32 values, then s8 keys and values.
constexpr size_t kInt8Header = 2 * kKvTilePositions * sizeof(float);

float Exp(float x) {
  return vec::Exp(Vec{x}).v;
}

// One key or value of a tile as f32. which: 0 keys, 1 values.
float Element(KvType type, const std::byte* tile, int which, uint32_t slot, uint32_t i,
              uint32_t head_dim) {
  const size_t at = (size_t{kKvTilePositions} * which + slot) * head_dim + i;
  if (type == KvType::kF16) {
    uint16_t bits;
    std::memcpy(&bits, tile + 2 * at, sizeof bits);
    return F16ToF32(bits);
  }
  float scale;
  std::memcpy(&scale, tile + (kKvTilePositions * which + slot) * sizeof(float), sizeof scale);
  return scale * static_cast<float>(static_cast<int8_t>(tile[kInt8Header + at]));
}

struct Partial {
  float* acc;  // [head_dim], unnormalised
  float* max;
  float* sum;
};
Partial PartialOf(float* partial, uint32_t row, uint32_t head_dim) {
  float* at = partial + size_t{row} * (head_dim + 16);
  return {at, at + head_dim, at + head_dim + 1};
}

// First position that row r sees, and the end of those.
uint32_t FirstSeen(const AttentionArgs& a, uint32_t r) {
  const uint32_t p = a.position + r;
  if (a.window == 0) return 0;
  const uint32_t before = a.length > 0 ? a.window / 2 : a.window - 1;
  return p > before ? p - before : 0;
}
uint32_t EndSeen(const AttentionArgs& a, uint32_t r) {
  const uint32_t p = a.position + r;
  if (a.length == 0) return p + 1;
  return a.window == 0 ? a.length : std::min(a.length, p + a.window / 2 + 1);
}

void SpanOfRow(KvType type, const AttentionArgs& a, uint32_t r, uint32_t g, uint32_t begin,
               uint32_t end, Partial out) {
  const float* q = a.q + r * a.q_stride + size_t{g} * a.head_dim;
  std::fill(out.acc, out.acc + a.head_dim, 0.0f);
  *out.max = kNothingSeen;
  *out.sum = 0;
  begin = std::max(begin, FirstSeen(a, r));
  end = std::min(end, EndSeen(a, r));
  if (begin >= end) return;
  float* scores = a.scratch;  // [kAttentionSpan]
  for (uint32_t p = begin; p < end; ++p) {
    const std::byte* tile = a.tiles[p / kKvTilePositions];
    double dot = 0;
    for (uint32_t i = 0; i < a.head_dim; ++i)
      dot += double{q[i]} * Element(type, tile, 0, p % kKvTilePositions, i, a.head_dim);
    scores[p - begin] = static_cast<float>(dot) * a.scale;
    if (a.softcap != 0) Softcap(&scores[p - begin], a.softcap, 1);
    *out.max = std::max(*out.max, scores[p - begin]);
  }
  for (uint32_t p = begin; p < end; ++p) {
    const std::byte* tile = a.tiles[p / kKvTilePositions];
    const float weight = Exp(scores[p - begin] - *out.max);
    *out.sum += weight;
    for (uint32_t i = 0; i < a.head_dim; ++i)
      out.acc[i] += weight * Element(type, tile, 1, p % kKvTilePositions, i, a.head_dim);
  }
}

}  // namespace

size_t KvTileBytes(KvType type, uint32_t head_dim) {
  const size_t elements = 2 * size_t{kKvTilePositions} * head_dim;
  return type == KvType::kF16 ? 2 * elements : kInt8Header + elements;
}

void KvWrite(KvType type, std::byte* tile, uint32_t slot, const float* k, const float* v,
             uint32_t head_dim) {
  for (uint32_t which = 0; which < 2; ++which) {
    const float* x = which == 0 ? k : v;
    const size_t row = kKvTilePositions * which + slot;
    if (type == KvType::kF16) {
      for (uint32_t i = 0; i < head_dim; ++i) {
        const uint16_t bits = F32ToF16(x[i]);
        std::memcpy(tile + 2 * (row * head_dim + i), &bits, sizeof bits);
      }
    } else {
      const float scale = vec::QuantiseHead<Vec>(
          x, head_dim, reinterpret_cast<int8_t*>(tile + kInt8Header + row * head_dim));
      std::memcpy(tile + row * sizeof(float), &scale, sizeof scale);
    }
  }
}

size_t AttentionScratchFloats(uint32_t rows, uint32_t group, uint32_t head_dim) {
  return kAttentionSpan + 2 * AttentionPartialFloats(rows, group, head_dim);
}

size_t AttentionPartialFloats(uint32_t rows, uint32_t group, uint32_t head_dim) {
  return size_t{rows} * group * (head_dim + 16);
}

void AttentionSpan(KvType type, const AttentionArgs& args, uint32_t span, float* partial) {
  for (uint32_t r = 0; r < args.rows; ++r)
    for (uint32_t g = 0; g < args.group; ++g)
      SpanOfRow(type, args, r, g, span * kAttentionSpan, (span + 1) * kAttentionSpan,
                PartialOf(partial, r * args.group + g, args.head_dim));
}

void AttentionMerge(const AttentionArgs& args, const float* partials, uint32_t count,
                    size_t partial_stride) {
  for (uint32_t r = 0; r < args.rows; ++r) {
    for (uint32_t g = 0; g < args.group; ++g) {
      float* out = args.out + r * args.out_stride + size_t{g} * args.head_dim;
      std::fill(out, out + args.head_dim, 0.0f);
      float max = kNothingSeen;
      float sum = 0;
      for (uint32_t s = 0; s < count; ++s) {
        const Partial next = PartialOf(const_cast<float*>(partials) + s * partial_stride,
                                       r * args.group + g, args.head_dim);
        const float new_max = std::max(max, *next.max);
        const float keep = Exp(max - new_max);
        const float take = Exp(*next.max - new_max);
        for (uint32_t i = 0; i < args.head_dim; ++i) out[i] = out[i] * keep + next.acc[i] * take;
        sum = sum * keep + *next.sum * take;
        max = new_max;
      }
      float inverse = sum > 0 ? 1.0f / sum : 0.0f;
      if (args.sinks != nullptr) {
        const float new_max = std::max(max, args.sinks[g]);
        const float keep = Exp(max - new_max);
        inverse = keep / (sum * keep + Exp(args.sinks[g] - new_max));
      }
      for (uint32_t i = 0; i < args.head_dim; ++i) out[i] *= inverse;
    }
  }
}

void Attention(KvType type, const AttentionArgs& args) {
  // One row at a time: its spans side by side would need memory in proportion to the context.
  const size_t row_floats = AttentionPartialFloats(1, args.group, args.head_dim);
  for (uint32_t r = 0; r < args.rows; ++r) {
    AttentionArgs row = args;
    row.q += r * args.q_stride;
    row.out += r * args.out_stride;
    row.rows = 1;
    row.position += r;
    float* merged = args.scratch + kAttentionSpan;
    float* next = merged + row_floats;
    const uint32_t first = FirstSeen(row, 0) / kAttentionSpan;
    const uint32_t last = (EndSeen(row, 0) - 1) / kAttentionSpan;
    AttentionSpan(type, row, first, merged);
    for (uint32_t span = first + 1; span <= last; ++span) {
      AttentionSpan(type, row, span, next);
      for (uint32_t g = 0; g < args.group; ++g) {
        const Partial a = PartialOf(merged, g, args.head_dim);
        const Partial b = PartialOf(next, g, args.head_dim);
        const float max = std::max(*a.max, *b.max);
        const float keep = Exp(*a.max - max);
        const float take = Exp(*b.max - max);
        for (uint32_t i = 0; i < args.head_dim; ++i) a.acc[i] = a.acc[i] * keep + b.acc[i] * take;
        *a.sum = *a.sum * keep + *b.sum * take;
        *a.max = max;
      }
    }
    AttentionMerge(row, merged, 1, row_floats);
  }
}

}  // namespace infe::kernels::generic

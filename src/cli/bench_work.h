// The work that `infe bench` times, straight on a model: no scheduler, no text, no HTTP. Tokens of
// prompts are drawn from a fixed seed (speed does not depend on them), decoding is greedy. The
// definitions are those of llama-bench and llama-batched-bench, so that bench/peers can compare:
// prefill is one sequence from nothing; decode is one token a step, from `depth` positions that are
// already there; batched decode steps all streams together, each behind its own prompt.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/table.h"
#include "model/model.h"
#include "model/plain_kv.h"

namespace infe::cli {

// A prompt that arrives while other streams decode: every step carries one row of each stream and
// one chunk of the prompt.
struct MixedResult {
  double prefill_tok_s = 0;  // of the prompt
  double decode_tok_s = 0;   // sum over the streams
  double worst_gap_ms = 0;   // the longest step, which is what a stream waits between two tokens
};

class BenchWork {
 public:
  // Rows of one prefill step: what the model is loaded for.
  static constexpr uint32_t kChunkRows = 512;

  // The model is borrowed. KV memory for `streams` sequences of `positions` is taken and touched.
  BenchWork(model::StepModel& model, const kernels::KernelTable& kernels, uint32_t streams,
            uint32_t positions);

  // Each returns tokens per second. tokens, and position + steps, stay within `positions`.
  double Prefill(uint32_t tokens);
  // Writes the KV of [0, tokens) of the first `streams` sequences; Decode continues from there.
  void Fill(uint32_t streams, uint32_t tokens);
  double Decode(uint32_t streams, uint32_t position, uint32_t steps);
  // The prompt takes sequence `streams`; the streams continue at `position`. chunk + streams is at
  // most kChunkRows, and prompt / chunk more positions have room.
  MixedResult Mixed(uint32_t streams, uint32_t position, uint32_t prompt, uint32_t chunk);

 private:
  model::BatchItem Item(uint32_t sequence, std::span<const model::TokenId> tokens,
                        uint32_t position, uint32_t logits_rows);
  // Tokens [0, tokens) of one sequence, in steps of kChunkRows; logits for the last one.
  void FillOne(uint32_t sequence, uint32_t tokens);
  // The greedy successors of the first `streams` rows of logits, into next_.
  void TakeNext(uint32_t streams);

  model::StepModel& model_;
  const kernels::KernelTable& kernels_;
  model::PlainKv kv_;
  std::vector<model::TokenId> prompt_;  // [positions]
  std::vector<model::TokenId> next_;    // [streams], each stream's token of the next step
};

}  // namespace infe::cli

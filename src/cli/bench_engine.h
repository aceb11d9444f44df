// The engine's whole loop, timed in process: scheduling, drafts, masks, sampling and events around
// Forward; no text, no HTTP. What `infe bench` says of the model alone and what it says here differ
// by what the engine costs; two of these, one that drafts and one that does not, tell what drafts
// bring.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "engine/engine.h"
#include "engine/loader.h"
#include "grammar/grammar.h"

namespace infe::cli {

// One stream's part of a run.
struct EngineStream {
  std::vector<engine::TokenId> prompt;
  std::vector<engine::TokenId> prediction;
};

// What the streams of a run do together.
struct EngineLoad {
  std::vector<EngineStream> streams;
  uint32_t tokens = 64;  // of each answer; end tokens are forbidden unless a grammar says otherwise
  float temperature = 0;        // seeds are the streams' numbers
  grammar::GrammarPtr grammar;  // null: free text
};

struct EngineRun {
  // Tokens per second of all streams, from the moment when each has its first token.
  double tok_s = 0;
  // Of the whole run, prompts included: the engine thread outside Forward, per token of output, and
  // as a share of the steps' time.
  double overhead_us = 0, overhead_pct = 0;
  uint64_t drafted = 0, accepted = 0;
  std::vector<std::vector<engine::TokenId>> answers;  // by stream
};

class BenchEngine {
 public:
  struct Drafts {
    bool speculation = false;
    model::Model* model = nullptr;  // of the same vocabulary, borrowed; null: none
  };
  // model and pool are borrowed. Two engines may share a model if only one of them runs at a time.
  static Result<std::unique_ptr<BenchEngine>> Start(engine::LoadedModel& loaded, ThreadPool& pool,
                                                    const Drafts& drafts, uint32_t streams,
                                                    uint32_t positions);
  // Submits all streams at once and waits for their ends.
  Result<EngineRun> Run(const EngineLoad& load);

 private:
  BenchEngine(engine::LoadedModel& loaded, std::shared_ptr<const grammar::TokenTrie> trie,
              std::unique_ptr<engine::Engine> engine)
      : loaded_(loaded), trie_(std::move(trie)), engine_(std::move(engine)) {}

  engine::LoadedModel& loaded_;
  std::shared_ptr<const grammar::TokenTrie> trie_;
  std::unique_ptr<engine::Engine> engine_;
  engine::RequestId next_id_ = 1;
};

}  // namespace infe::cli

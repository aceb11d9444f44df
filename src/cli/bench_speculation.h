// What `infe bench` runs through the engine: what the engine costs beside the model, and what
// drafts bring on texts of different kinds. Two engines over one model take turns, one that drafts
// and one that does not; their answers have to be the same, token for token.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cli/bench_engine.h"
#include "cli/bench_series.h"

namespace infe::cli {

struct EngineCost {
  Series tok_s, overhead_us, overhead_pct;
};

struct DraftGain {
  Series ratio;  // tokens per second with drafts over those without, of two runs in a row
  Series with_tok_s, without_tok_s;
  Series with_overhead_us, without_overhead_us;  // outside Forward, per token
  uint64_t drafted = 0, accepted = 0;            // of all rounds
};

class BenchSpeculation {
 public:
  static constexpr uint32_t kStreamsMax = 16;
  // Streams of the runs with and without drafts.
  static constexpr std::array<uint32_t, 3> kGainStreams = {1, 4, 8};

  // Starts the engines. `tokens`: of each answer.
  // draft: guesses in the engine that drafts, borrowed; null: none.
  static Result<BenchSpeculation> Start(engine::LoadedModel& loaded, model::Model* draft,
                                        ThreadPool& pool, uint32_t tokens);

  // One round of kind x kGainStreams, or of greedy and drawn text at 1, 8 and 16 streams. The first
  // round of each is preceded by one that does not count: it fills the prefix cache and lets the
  // engines learn what a step costs.
  Result<void> GainRound();
  Result<void> CostRound();

  // By (kind of text, streams).
  const std::map<std::pair<std::string, uint32_t>, DraftGain>& gains() const { return gains_; }
  // By (streams, temperature).
  const std::map<std::pair<uint32_t, float>, EngineCost>& costs() const { return costs_; }

 private:
  struct Kind {
    std::string name;
    EngineLoad load;  // of kStreamsMax streams
  };

  BenchSpeculation() = default;
  Result<void> MakeKinds(const tokenizer::Tokenizer& tokenizer, uint32_t tokens);
  Result<void> Compare(const Kind& kind, uint32_t streams);

  std::unique_ptr<BenchEngine> with_, without_;
  std::vector<Kind> kinds_;
  uint32_t round_ = 0;
  std::map<std::pair<std::string, uint32_t>, DraftGain> gains_;
  std::map<std::pair<uint32_t, float>, EngineCost> costs_;
};

}  // namespace infe::cli

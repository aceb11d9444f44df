// Continuous batching without threads: the engine's whole state and one Step at a time. Engine
// (engine.cc) runs it on its own thread; tests run it by hand with a clock of their own.
//
// A step: end what is cancelled or late, admit from the queue, form the batch (decode rows with
// their drafts, then prefill chunks within the time budget), find blocks for it (evicting, then
// preempting), Forward, sample, report. core.cc holds lives of sequences, core_batch.cc forms the
// batch, core_sample.cc deals with the logits, core_grammar.cc with grammars that are dear to ask,
// core_prefix_file.cc with the prefixes of an earlier run.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "engine/grammar_worker.h"
#include "engine/sampler.h"
#include "engine/scheduler.h"
#include "engine/sequence.h"
#include "engine/state_cache.h"
#include "engine/step_cost.h"
#include "model/model.h"

namespace infe::engine {

class EngineCore {
 public:
  // model is borrowed and must outlive the core.
  static Result<std::unique_ptr<EngineCore>> Create(model::StepModel& model,
                                                    const EngineOptions& options);
  ~EngineCore();

  // Whether the request can ever be served; reads only what never changes, so any thread may ask.
  Result<void> Validate(const EngineRequest& request) const;

  // Who is asked what grammars take too long to say; borrowed, outlives the steps. Without, they
  // are asked on the spot, however long that takes within the bounds of grammar/limits.h.
  void SetGrammarWorker(GrammarWorker* worker) { worker_ = worker; }

  // The rest: one thread. Add takes a validated request; its sink gets exactly one finished event.
  void Add(EngineRequest request, TimePoint arrival);
  void Cancel(RequestId id);
  void SetPaused(RequestId id, bool paused);
  void CancelAll();
  // Does one step. False: nothing could run (no request, or only paused ones).
  bool Step();
  // Writes what the prefix cache remembers to the file of the options, if there is one. Blocking:
  // for an engine that stops.
  void SavePrefixFile();

  // When a request must be ended even if nothing else happens.
  std::optional<TimePoint> NextDeadline() const;
  // Requests never admitted yet, and their prompt tokens: what the queue's bounds count.
  uint32_t queued_requests() const { return queued_requests_; }
  uint64_t queued_prompt_tokens() const { return queued_prompt_tokens_; }
  uint32_t context_max() const { return plan_.context_max; }
  EngineStats stats() const;
  TimePoint Now() const { return options_.clock(); }
  const StepCost& cost() const { return cost_; }

 private:
  // One sequence's part of the step: tokens[begin, begin + rows), then its draft.
  struct Item {
    Sequence* sequence = nullptr;
    uint32_t rows = 0;
    bool samples = false;     // reaches the end of the tokens
    bool summarised = false;  // the model summarises its rows of logits
  };

  EngineCore(model::StepModel& model, const EngineOptions& options, const StatePlan& plan,
             uint32_t vocabulary);

  // core.cc: lives of sequences
  void ExpireDeadlines(TimePoint now);
  void FillBatch(TimePoint now);
  // kGuest: only a key with nothing running, beyond the batch's own places.
  enum class Entry { kAnyone, kGuest };
  bool AdmitOne(TimePoint now, Entry entry);
  bool HasActive(const std::string& fairness_key) const;
  bool MakeRoom(const Sequence& candidate);
  bool Fits(const Sequence& candidate) const;
  void Admit(Sequence& sequence, TimePoint now);
  void AttachPrefix(Sequence& sequence);
  void DropPartial(Sequence& sequence);
  void Preempt(Sequence& sequence);
  void Finish(Sequence& sequence, FinishReason reason);
  void Fail(Sequence& sequence, Error error);
  void Report(TimePoint now);
  TokenEvent MakeEvent(Sequence& sequence, TimePoint now);
  uint32_t active() const;
  uint32_t admitted() const;  // active, and those that rest
  bool IsActive(const Sequence& sequence) const;

  // core_grammar.cc: grammars that are dear to ask
  using Question = std::function<Result<void>(Constraint&)>;
  class Asking;
  void TakeAnswers();
  void HandOver(Sequence& sequence, Question ask);
  void HandOverOwed(Sequence& sequence);
  void FailGrammar(Sequence& sequence, Error error);

  // core_prefix_file.cc: prefixes on disk
  PrefixFileKind FileKind() const;
  void OpenPrefixFile();
  bool ComputesTheSame(PrefixFile& file);
  void Notice(const std::string& line) const;

  // core_batch.cc: the batch
  void FormBatch(TimePoint now);
  void ShareOut(TimePoint now);
  void NamePrompts();
  void ChooseResting(TimePoint now);
  PrefillView ViewOf(const Sequence& sequence) const;
  void PrepareNext(Sequence& sequence);
  void AddDecodes();
  void AddDrafts();
  Draft MakeDraft(Sequence& sequence, uint32_t room);
  void AddPrefills(TimePoint now);
  void ReserveBlocks();
  bool ReserveFor(Item& item);
  static std::vector<std::span<const uint64_t>> MasksOf(Sequence& sequence);
  void Forward();
  StepShape Shape() const;
  bool IsDecoding(const Sequence& sequence) const;
  bool IsPrefilling(const Sequence& sequence) const;

  // core_sample.cc: the logits
  // A row of logits to be sampled, and what came of it if that was done ahead.
  struct Row {
    Sequence* sequence = nullptr;
    const float* logits = nullptr;
    const MaskState* mask = nullptr;  // null: no grammar
    uint64_t position = 0;            // of the token to be drawn
    std::span<const model::LogitSummary> summaries;
    bool sampled = false;
    std::optional<TokenId> token;
    SampledToken report;  // with logprobs
  };
  void TakeLogits(TimePoint now);
  uint32_t AddRows(const Item& item, size_t first_row);
  void SampleAhead();
  void TakeItem(const Item& item, const float* logits, std::span<Row> rows, TimePoint now);
  void TakePromptLogprobs(Sequence& sequence, const Item& item, const float* logits);
  SampleInput InputOf(const Row& row) const;
  Result<TokenId> SampleRow(Row& row);
  Result<void> TakeToken(Sequence& sequence, TokenId token);
  static void RestartRoom(Sequence& sequence);
  Result<void> NoteCut(Sequence& sequence, const Constraint::Closing& closing, TokenId token);
  void EndAtLimit(Sequence& sequence);
  Result<TokenId> SampleClosing(Sequence& sequence, SampleInput input);
  void Append(Sequence& sequence, TokenId token, SampledToken sampled);
  bool IsEnd(const Sequence& sequence, TokenId token) const;

  model::StepModel& model_;
  const EngineOptions options_;
  const StatePlan plan_;
  const uint32_t vocabulary_;
  StateCache cache_;
  Scheduler scheduler_;
  StepCost cost_;
  GrammarWorker* worker_ = nullptr;  // borrowed, may be null
  const kernels::KernelTable& kernels_;
  std::vector<Sampler> samplers_;  // one per worker of the pool; the first is the engine thread's

  std::vector<std::unique_ptr<Sequence>> sequences_;  // in order of submission
  std::unordered_map<RequestId, Sequence*> by_id_;
  uint64_t next_order_ = 0;
  uint32_t queued_requests_ = 0;
  uint64_t queued_prompt_tokens_ = 0;
  EngineStats totals_;  // the counters of stats(); gauges are taken when asked

  std::optional<TimePoint> shared_at_;  // when several keys had a part of the batch last

  double mask_ms_ = 0;  // a mask behind a draft token takes so long, lately

  // Of the step under way.
  std::vector<Item> items_;
  std::vector<Row> rows_;
  std::optional<double> urgent_share_;  // of prompts that others should make way for
};

}  // namespace infe::engine

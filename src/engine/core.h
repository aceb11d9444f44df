// Continuous batching without threads: the engine's whole state and one Step at a time. Engine
// (engine.cc) runs it on its own thread; tests run it by hand with a clock of their own.
//
// A step: end what is cancelled or late, admit from the queue (lives.h), plan what is computed
// (step_builder.h makes a BatchPlan), Forward, take its logits (logits_taker.h reads the same
// plan), report (lives.h). Grammars that are dear to ask: grammar_desk.h. Prefixes of an earlier
// run: prefix_store.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/result.h"
#include "engine/engine.h"
#include "engine/grammar_desk.h"
#include "engine/grammar_worker.h"
#include "engine/lives.h"
#include "engine/logits_taker.h"
#include "engine/model_drafts.h"
#include "engine/prefix_store.h"
#include "engine/scheduler.h"
#include "engine/state_cache.h"
#include "engine/step_builder.h"
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
  void SetGrammarWorker(GrammarWorker* worker) { desk_.SetWorker(worker); }

  // The rest: one thread. Add takes a validated request; its sink gets exactly one finished event.
  void Add(EngineRequest request, TimePoint arrival);
  void Cancel(RequestId id);
  void SetPaused(RequestId id, bool paused);
  void CancelAll();
  // Does one step. False: nothing could run (no request, or only paused ones).
  bool Step();
  // Writes what the prefix cache remembers to the file of the options, if there is one. Blocking:
  // for an engine that stops.
  void SavePrefixFile() const { prefix_store_.Save(); }

  // When a request must be ended even if nothing else happens.
  std::optional<TimePoint> NextDeadline() const { return lives_.NextDeadline(); }
  // Requests never admitted yet, and their prompt tokens: what the queue's bounds count.
  uint32_t queued_requests() const { return lives_.queued_requests(); }
  uint64_t queued_prompt_tokens() const { return lives_.queued_prompt_tokens(); }
  uint32_t context_max() const { return shared_.context_max; }
  EngineStats stats() const;
  TimePoint Now() const { return options_.clock(); }
  const StepCost& cost() const { return cost_; }

 private:
  EngineCore(model::StepModel& model, const EngineOptions& options, const StatePlan& plan,
             uint32_t vocabulary, std::unique_ptr<DraftModel> draft_model);

  Result<void> ValidateOutput(const EngineRequest& request) const;
  void Forward(const BatchPlan& plan);

  model::StepModel& model_;
  const EngineOptions options_;
  StateCache cache_;
  Scheduler scheduler_;
  StepCost cost_;
  EngineStats totals_;  // the counters of stats(); gauges are taken when asked
  const Lives::Shared shared_;
  Lives lives_;
  GrammarDesk desk_;
  const std::unique_ptr<ModelDrafts> model_drafts_;  // null: no model drafts
  StepBuilder builder_;
  LogitsTaker taker_;
  PrefixStore prefix_store_;
};

}  // namespace infe::engine

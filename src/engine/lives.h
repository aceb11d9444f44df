// Lives of sequences: from the queue into the batch, out of it and back when memory is short, and
// what each has to report until its end. Which of them compute what in a step is the StepBuilder's
// business, what comes of it the LogitsTaker's.
//
// Engine thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/engine.h"
#include "engine/scheduler.h"
#include "engine/sequence.h"
#include "engine/state_cache.h"
#include "engine/step_cost.h"

namespace infe::engine {

class Lives {
 public:
  // What the parts of one engine share; all borrowed.
  struct Shared {
    const EngineOptions& options;
    uint32_t vocabulary = 0;  // ids that may be sampled
    uint32_t context_max = 0;
    StateCache& cache;
    Scheduler& scheduler;
    StepCost& cost;
    EngineStats& totals;  // the counters of EngineCore::stats()
  };
  explicit Lives(const Shared& shared) : shared_(shared) {}

  const std::vector<std::unique_ptr<Sequence>>& sequences() const { return sequences_; }

  void Add(EngineRequest request, TimePoint arrival);
  Sequence* Find(RequestId id);  // null: there is none, or it has ended
  static void SetPaused(Sequence& sequence, bool paused);
  void ExpireDeadlines(TimePoint now);
  // Free places of the batch go to those that were parked, then to the queue, then to guests.
  void FillBatch(TimePoint now);
  // Takes up what memory knows of the sequence; its last token is always computed, for its logits.
  void AttachPrefix(Sequence& sequence);
  // Gives up the beginning of a block that AttachPrefix copied, before anything was computed behind
  // it: the sequence waits for the whole block that another one is about to compute.
  void DropPartial(Sequence& sequence);
  // Gives up its memory; it waits again, and computes its tokens again when it has a place.
  void Preempt(Sequence& sequence);
  // A token was sampled, or forced. It may be the last one.
  void Append(Sequence& sequence, TokenId token, SampledToken sampled);
  // Hands out what is new and lets go of what has ended.
  void Report(TimePoint now);

  uint32_t active() const;
  std::optional<TimePoint> NextDeadline() const;
  // Requests never admitted yet, and their prompt tokens.
  uint32_t queued_requests() const { return queued_requests_; }
  uint64_t queued_prompt_tokens() const { return queued_prompt_tokens_; }
  // The gauges of `stats` that are about sequences.
  void Describe(EngineStats& stats) const;

 private:
  // kGuest: only a key with nothing running, beyond the batch's own places.
  enum class Entry { kAnyone, kGuest };
  bool AdmitOne(TimePoint now, Entry entry);
  WaitingView ViewOf(Sequence& sequence, bool alone, TimePoint now);
  bool HasActive(const std::string& fairness_key) const;
  bool MakeRoom(const Sequence& candidate);
  bool Fits(const Sequence& candidate) const;
  void Admit(Sequence& sequence, TimePoint now);
  void AskKnown(Sequence& sequence, TimePoint now);
  void SetGrammar(Sequence& sequence, EngineRequest& request) const;
  void LeaveQueue(const Sequence& sequence);
  void End(Sequence& sequence);
  static TokenEvent MakeEvent(Sequence& sequence, TimePoint now);
  uint32_t admitted() const;  // active, and those that rest

  const Shared shared_;
  std::vector<std::unique_ptr<Sequence>> sequences_;  // in order of submission
  std::unordered_map<RequestId, Sequence*> by_id_;
  uint64_t next_order_ = 0;
  uint32_t queued_requests_ = 0;
  uint64_t queued_prompt_tokens_ = 0;
};

// Places beyond the batch for keys with nothing running, so that nobody waits until somebody else's
// answer ends. A quarter: a few more decode rows cost little, and who fills the batch alone keeps
// all of it.
uint32_t GuestPlaces(const EngineOptions& options);

}  // namespace infe::engine

// The whole policy of who runs when; pure decisions over plain views, no side effects but its
// counters. docs/scheduler.md has the reasons.
//   admission   bands (priority, default, flex; waiting lifts a request one band per kBandAging),
//               then the fairness key with the smallest virtual counter, then the shortest prompt
//               left to compute, aged: nobody is overtaken for longer than its own prompt takes.
//   prefill     decode first; what is left of the step's time goes to prompts, in chunks that end
//   on
//               block borders: by bands, then keys in turns (prefill_turns.h), then the shortest
//               left with the same aging. A prompt of a key that runs little comes before those of
//               a key that runs much, and may have a step for itself: the other key's decoding
//               rests.
//   preemption  paused first, then the lowest band, then the latest arrival: the first in that
//               order reversed always finishes.
// Engine thread only.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/prefill_turns.h"
#include "engine/request.h"
#include "engine/step_cost.h"

namespace infe::engine {

using TimePoint = std::chrono::steady_clock::time_point;

// Service received per fairness key ("Fairness in Serving Large Language Models", OSDI 2024). The
// service that two keys receive while both have requests waiting differs by at most
// 2 * (w_in * longest prompt + w_out * output that a full batch can still make).
class VirtualCounters {
 public:
  // A request of the key begins to wait, or ceases to (it is admitted, or ends in the queue). A key
  // that had none waiting is lifted to the least of those that have, or to where the last one left
  // the queue: idling saves nothing up, and having worked alone costs nothing later.
  void Enter(const std::string& key);
  void Leave(const std::string& key);
  void Charge(const std::string& key, double service);
  double Value(const std::string& key) const;

 private:
  struct Counter {
    double service = 0;
    uint32_t waiting = 0;
  };
  // Keys without waiting requests are kept only while they are ahead of floor_, so that coming back
  // is not a fresh start.
  std::map<std::string, Counter> counters_;
  double floor_ = 0;  // no key enters below it; never falls
};

struct WaitingView {
  Priority priority = Priority::kDefault;
  const std::string* fairness_key = nullptr;
  double remaining_ms = 0;  // predicted, of the uncached prompt
  TimePoint arrival;
};

struct PrefillView {
  Priority priority = Priority::kDefault;
  std::string_view fairness_key = {};
  double weight = 1;       // of the key
  uint32_t remaining = 0;  // tokens to compute, >= 1
  // A chunk has no more rows: what stands behind them then is kept (a running state).
  uint32_t rows_max = UINT32_MAX;
  bool whole_blocks = false;  // a chunk that passes a block's border ends on one, for the same
  bool indivisible = false;   // all of it is one chunk, whatever that takes; it fits a step
  uint32_t position = 0;      // of the first of them
  bool all_logits = false;    // every row needs the head, not only the last
  double share = 0;           // sequences that its key has in the batch, over the key's weight
  bool at_once = false;       // whole in this step, if that takes no longer than AtOnceMs
  bool crowds = false;        // its key runs much beside others, and has more waiting
  TimePoint arrival;
  TimePoint admitted = {};

  // `other` waits for the same work: it is as urgent as the more urgent of the two.
  void Join(const PrefillView& other) {
    priority = std::min(priority, other.priority);
    share = std::min(share, other.share);
    at_once = at_once || other.at_once;
    crowds = crowds && other.crowds;
    arrival = std::min(arrival, other.arrival);
    admitted = std::min(admitted, other.admitted);
  }
};

struct DecodeView {
  uint32_t rows = 0;
  uint32_t position = 0;
  bool samples = true;
  double share = 0;     // as in PrefillView
  bool rested = false;  // in the step before
};

struct RunningView {
  Priority priority = Priority::kDefault;
  bool paused = false;
  TimePoint arrival;
  uint64_t order = 0;  // of submission, unique
};

struct Chunk {
  size_t index = 0;  // into the views
  uint32_t rows = 0;
  // What it counts for its key's turn: rows, and what they attend to as so many rows more.
  double turn_tokens = 0;
};

struct StepLimits {
  double budget_ms = 50;        // of a step while anyone decodes
  double idle_budget_ms = 400;  // of a step of prompts alone: how long a newcomer may have to wait
  uint32_t rows_max = 512;
  uint32_t logits_rows_max = 64;
};

// Fewer rows than this are not worth a pass over the weights; also the progress a prompt makes when
// decoding alone uses up the budget.
inline constexpr uint32_t kChunkRowsMin = 16;
// Unless each attends to so many positions that this alone takes a good part of the budget.
inline constexpr uint32_t kDeepChunkRowsMin = 4;
inline constexpr std::chrono::seconds kBandAging{30};
// A key that has this many times the share of another runs much, the other little.
inline constexpr double kMuchShare = 3;
// Fewer sequences crowd nobody: a step with them takes little longer than one without.
inline constexpr double kMuchShareMin = 8;
// Whether a key with `share` of the batch runs much beside one with `other`.
inline bool RunsMuch(double share, double other) {
  return share >= kMuchShareMin && share >= kMuchShare * other;
}
// A prompt of a key that runs much gives way to those of keys that run little until it has been in
// the batch for so long: bounded, so that nobody starves. What it waited in the queue does not
// count, since whoever sends too much waits there.
inline constexpr std::chrono::seconds kMuchShareDelay{2};
// Service charged to a fairness key; the weights of the paper.
inline constexpr double kServicePerPromptToken = 1;  // uncached ones only
inline constexpr double kServicePerOutputToken = 2;

class Scheduler {
 public:
  explicit Scheduler(const StepLimits& limits) : limits_(limits) {}

  VirtualCounters& counters() { return counters_; }
  PrefillTurns& prefill_turns() { return prefill_turns_; }
  const StepLimits& limits() const { return limits_; }

  // The one to admit next; waiting is not empty.
  size_t PickAdmission(std::span<const WaitingView> waiting, TimePoint now) const;
  // The prompt that comes first in a step; prompts is not empty.
  size_t PickPrompt(std::span<const PrefillView> prompts, const StepCost& cost,
                    TimePoint now) const;
  // Decoding sequences (indexes) that leave this step to `prompts`, so that these are computed at
  // once: those of keys that run much beside the prompts', if the prompts do not fit beside them
  // and do without them. Nobody rests twice in a row.
  std::vector<size_t> PickResting(std::span<const DecodeView> decodes,
                                  std::span<const PrefillView> prompts, const StepCost& cost) const;
  // How long a step may take that computes a prompt at once.
  double AtOnceMs() const { return kAtOnceStretch * limits_.budget_ms; }
  // Chunks beside `decode` (the rows already in the step), best candidate first.
  std::vector<Chunk> PlanPrefill(std::span<const PrefillView> prompts, const StepShape& decode,
                                 const StepCost& cost, TimePoint now) const;
  // Who gives up its memory; running is not empty.
  size_t PickVictim(std::span<const RunningView> running) const;
  // a is kept rather than b when memory is short.
  static bool Outranks(const RunningView& a, const RunningView& b);

 private:
  // A little more than the budget is better than another step, with its pass over the weights.
  static constexpr double kAtOnceStretch = 1.2;
  // Of the budget, for prompts of a key that crowds others, and for those of several keys that
  // queue for each other: whoever comes next waits for the step under way.
  static constexpr double kCrowdingPart = 0.6;
  // Prompts of several keys queue if all of them together take longer than this.
  static constexpr double kQueueMs = 1000;
  // Of the budget, for what the fewest rows of a prompt attend to.
  static constexpr double kDepthPart = 0.5;
  // So many rows more than the budget has room for cost less than a step for them alone, unless
  // each attends to much.
  static constexpr uint32_t kTailRowsMax = 4;
  // The step and so many rows of the prompt.
  static StepShape With(StepShape step, const PrefillView& prompt, uint32_t rows);
  // Milliseconds for what stands before those rows.
  static double DepthMs(const PrefillView& prompt, uint32_t rows, const StepShape& step,
                        const StepCost& cost);
  static uint32_t LeastRows(const PrefillView& prompt, const StepShape& step, const StepCost& cost,
                            double budget);
  static bool Queue(std::span<const PrefillView> prompts, const StepCost& cost);
  // Indexes of prompts, first to compute first.
  std::vector<size_t> Order(std::span<const PrefillView> prompts, const StepCost& cost,
                            TimePoint now) const;

  StepLimits limits_;
  VirtualCounters counters_;
  PrefillTurns prefill_turns_;
};

}  // namespace infe::engine

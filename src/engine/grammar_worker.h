// Where grammars are asked that take too long for the engine's thread. A sequence whose next mask
// is too dear gives its Constraint away with the question, rests, and gets both back with the
// answer; every other sequence goes on meanwhile.
//
// The questions of a grammar are the stranger's work: they are paid from a budget of their own
// (limits.h), which ends that request alone.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/constraint.h"

namespace infe::engine {

struct GrammarJob {
  uint64_t sequence = 0;  // Sequence::order
  std::string fairness_key;
  std::unique_ptr<Constraint> constraint;
  // Asks what the engine will ask again. An error ends the request, unless the fuel of the
  // constraint ran out.
  std::function<Result<void>(Constraint&)> ask;
  // Set when nobody waits for the answer any more. Shared with the sequence.
  std::shared_ptr<const std::atomic<bool>> cancelled;

  // Of the answer.
  Result<void> outcome = {};
  double ms = 0;       // that it took
  uint64_t steps = 0;  // spent so far
};

// Asks once more, for so long at most. True when the job is done: answered, failed, beyond the
// bound, or cancelled. What was learnt is kept, so a job that is not done goes on from there.
bool Ask(GrammarJob& job, uint64_t slice_steps);

// One thread calls these; the answers come from whatever thread does the work.
class GrammarWorker {
 public:
  virtual ~GrammarWorker() = default;
  virtual void Submit(GrammarJob job) = 0;
  // Jobs that are done, oldest first.
  virtual std::vector<GrammarJob> TakeDone() = 0;
};

// A thread of low priority, so that it takes what the engine leaves, and a little more. Jobs are
// served in slices: of the key that has had the least of it, the oldest first. ready: called from
// that thread when a job is done. The destructor cancels what is left and waits for the slice under
// way.
std::unique_ptr<GrammarWorker> StartGrammarWorker(std::function<void()> ready);

}  // namespace infe::engine

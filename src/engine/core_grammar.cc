// EngineCore: grammars that are dear to ask. A question that its fuel on this thread does not
// answer goes to the worker together with the constraint; the sequence rests, as a paused one does,
// and asks again when both are back. What it asks is a fact of the accepted tokens, so its text
// does not depend on where it was answered.
#include "engine/core_grammar.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "engine/core.h"
#include "grammar/limits.h"

namespace infe::engine {

// In place of asking on. The constraint is there again when TakeAnswers has seen the job.
void EngineCore::HandOver(Sequence& sequence, Question ask) {
  INFE_CHECK(worker_ != nullptr && sequence.constraint != nullptr && ask != nullptr);
  sequence.constraint->SetFuel(nullptr);
  sequence.thread_steps = std::max(kGrammarStepsMin, sequence.thread_steps / 4);
  sequence.asking = std::make_shared<std::atomic<bool>>(false);
  worker_->Submit({.sequence = sequence.order,
                   .fairness_key = sequence.request.fairness_key,
                   .constraint = std::move(sequence.constraint),
                   .ask = std::move(ask),
                   .cancelled = sequence.asking});
  ++totals_.grammar_jobs;
}

// The token is drawn and stands behind the others: the grammar takes it elsewhere, and says what
// may follow it.
void EngineCore::HandOverOwed(Sequence& sequence) {
  const TokenId token = *std::exchange(sequence.owed, std::nullopt);
  if (sequence.finish) return;
  // Asked again after a slice it has been taken already.
  const bool last = sequence.ending;
  HandOver(sequence, [token, last, taken = false](Constraint& constraint) mutable -> Result<void> {
    if (!taken) INFE_TRY(constraint.Accept(token));
    taken = true;
    if (!last) INFE_TRY(constraint.Mask());
    return {};
  });
}

void EngineCore::TakeAnswers() {
  if (worker_ == nullptr) return;
  for (GrammarJob& job : worker_->TakeDone()) {
    totals_.grammar_job_ms += job.ms;
    const auto found = std::ranges::find(sequences_, job.sequence,
                                         [](const auto& sequence) { return sequence->order; });
    if (found == sequences_.end()) continue;  // cancelled meanwhile
    Sequence& sequence = **found;
    sequence.constraint = std::move(job.constraint);
    sequence.asking = nullptr;
    // Its place in the batch may have been taken meanwhile.
    sequence.parked = !sequence.paused && sequence.state == SequenceState::kRunning;
    sequence.worker_steps += job.steps;
    if (job.outcome && sequence.worker_steps > grammar::kMatcherStepsInAllMax) {
      job.outcome = ResourceExhausted(
          fmt::format("the grammar needs more than {} steps in all (kMatcherStepsInAllMax)",
                      grammar::kMatcherStepsInAllMax));
    }
    if (!job.outcome) {
      FailGrammar(sequence, std::move(job.outcome).error());
    } else if (sequence.ending && !sequence.finish) {
      EndAtLimit(sequence);
    }
  }
}

void EngineCore::FailGrammar(Sequence& sequence, Error error) {
  if (!sequence.finish && error.code == ErrorCode::kResourceExhausted) ++totals_.grammar_refusals;
  Fail(sequence, std::move(error));
}

}  // namespace infe::engine

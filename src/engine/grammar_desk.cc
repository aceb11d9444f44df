#include "engine/grammar_desk.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "grammar/limits.h"

namespace infe::engine {

GrammarDesk::Asking::Asking(const GrammarDesk& desk, Sequence& sequence)
    : grammar_(sequence.grammar),
      fuel_({.steps = desk.worker_ == nullptr ? UINT64_MAX : grammar_.thread_steps,
             .cpu = desk.worker_ == nullptr ? std::chrono::milliseconds::max() : kGrammarCpuMax}) {
  if (desk.worker_ != nullptr && grammar_.constraint != nullptr)
    grammar_.constraint->SetFuel(&fuel_);
}

GrammarDesk::Asking::~Asking() {
  if (grammar_.constraint == nullptr) return;
  grammar_.constraint->SetFuel(nullptr);
  if (!fuel_.empty()) grammar_.thread_steps = std::min(kGrammarStepsMax, 2 * grammar_.thread_steps);
}

bool GrammarDesk::CanHandOver(const Sequence& sequence) const {
  const auto& constraint = sequence.grammar.constraint;
  return worker_ != nullptr && constraint != nullptr && constraint->ran_out();
}

void GrammarDesk::HandOver(Sequence& sequence, Question ask) {
  SequenceGrammar& grammar = sequence.grammar;
  INFE_CHECK(worker_ != nullptr && grammar.constraint != nullptr && ask != nullptr);
  grammar.constraint->SetFuel(nullptr);
  grammar.thread_steps = std::max(kGrammarStepsMin, grammar.thread_steps / 4);
  grammar.asking = std::make_shared<std::atomic<bool>>(false);
  worker_->Submit({.sequence = sequence.order,
                   .fairness_key = sequence.request.fairness_key,
                   .constraint = std::move(grammar.constraint),
                   .ask = std::move(ask),
                   .cancelled = grammar.asking});
  ++totals_.grammar_jobs;
}

void GrammarDesk::HandOverOwed(Sequence& sequence) {
  const TokenId token = *std::exchange(sequence.grammar.owed, std::nullopt);
  if (sequence.finish) return;
  // Asked again after a slice it has been taken already.
  const bool last = sequence.grammar.ending;
  HandOver(sequence, [token, last, taken = false](Constraint& constraint) mutable -> Result<void> {
    if (!taken) INFE_TRY(constraint.Accept(token));
    taken = true;
    if (!last) INFE_TRY(constraint.Mask());
    return {};
  });
}

void GrammarDesk::TakeAnswers(std::span<const std::unique_ptr<Sequence>> sequences) {
  if (worker_ == nullptr) return;
  for (GrammarJob& job : worker_->TakeDone()) {
    totals_.grammar_job_ms += job.ms;
    const auto found = std::ranges::find(sequences, job.sequence,
                                         [](const auto& sequence) { return sequence->order; });
    if (found == sequences.end()) continue;  // cancelled meanwhile
    Sequence& sequence = **found;
    SequenceGrammar& grammar = sequence.grammar;
    grammar.constraint = std::move(job.constraint);
    grammar.asking = nullptr;
    // Its place in the batch may have been taken meanwhile.
    sequence.parked = !sequence.paused && sequence.state == SequenceState::kRunning;
    grammar.worker_steps += job.steps;
    if (job.outcome && grammar.worker_steps > grammar::kMatcherStepsInAllMax) {
      job.outcome = ResourceExhausted(
          fmt::format("the grammar needs more than {} steps in all (kMatcherStepsInAllMax)",
                      grammar::kMatcherStepsInAllMax));
    }
    if (!job.outcome) {
      Fail(sequence, std::move(job.outcome).error());
    } else if (grammar.ending && !sequence.finish) {
      sequence.EndAtLimit();
    }
  }
}

Result<void> GrammarDesk::Take(Sequence& sequence, TokenId token) const {
  SequenceGrammar& grammar = sequence.grammar;
  if (grammar.constraint == nullptr || sequence.IsEnd(token)) return {};
  auto taken = grammar.constraint->Accept(token);
  if (taken || !CanHandOver(sequence)) return taken;
  grammar.owed = token;
  return {};
}

void GrammarDesk::Fail(Sequence& sequence, Error error) {
  if (!sequence.finish && error.code == ErrorCode::kResourceExhausted) ++totals_.grammar_refusals;
  sequence.Fail(std::move(error));
}

}  // namespace infe::engine

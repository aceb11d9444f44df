// Where sequences ask their grammars: with the fuel that a question has on the engine's thread, and
// elsewhere if that is not enough. A question that its fuel does not answer goes to the worker
// together with the constraint; the sequence rests, as a paused one does, and asks again when both
// are back. What it asks is a fact of the accepted tokens, so its text does not depend on where it
// was answered. Without a worker everything is asked on the spot.
//
// Engine thread only.
#pragma once

#include <functional>
#include <memory>
#include <span>

#include "base/fuel.h"
#include "base/result.h"
#include "engine/engine.h"
#include "engine/grammar_worker.h"
#include "engine/sequence.h"

namespace infe::engine {

class GrammarDesk {
 public:
  using Question = std::function<Result<void>(Constraint&)>;

  // totals: what the engine counts; borrowed.
  explicit GrammarDesk(EngineStats& totals) : totals_(totals) {}

  // Borrowed, may be null, outlives the steps.
  void SetWorker(GrammarWorker* worker) { worker_ = worker; }

  // The scope in which a sequence's grammar is asked on the engine's thread.
  class Asking {
   public:
    Asking(const GrammarDesk& desk, Sequence& sequence);
    ~Asking();
    Asking(const Asking&) = delete;
    Asking& operator=(const Asking&) = delete;

   private:
    SequenceGrammar& grammar_;
    Fuel fuel_;
  };

  // The last question had no answer for want of fuel, and somebody else can be asked.
  bool CanHandOver(const Sequence& sequence) const;
  // In place of asking on. The constraint is there again when TakeAnswers has seen the job.
  void HandOver(Sequence& sequence, Question ask);
  // The token that is owed is drawn and stands behind the others: the grammar takes it elsewhere,
  // and says what may follow it.
  void HandOverOwed(Sequence& sequence);
  // What the worker has answered since.
  void TakeAnswers(std::span<const std::unique_ptr<Sequence>> sequences);

  // The grammar takes a token that its mask allows; later and elsewhere (`owed`) if that is dear.
  Result<void> Take(Sequence& sequence, TokenId token) const;
  void Fail(Sequence& sequence, Error error);

 private:
  EngineStats& totals_;
  GrammarWorker* worker_ = nullptr;
};

}  // namespace infe::engine

// The scope in which a sequence's grammar is asked on the engine's thread: with the fuel that it
// has there, if somebody else can be asked where that is not enough.
#pragma once

#include <algorithm>

#include "base/fuel.h"
#include "engine/core.h"

namespace infe::engine {

class EngineCore::Asking {
 public:
  Asking(Sequence& sequence, const GrammarWorker* worker)
      : sequence_(sequence),
        fuel_({.steps = worker == nullptr ? UINT64_MAX : sequence.thread_steps,
               .cpu = worker == nullptr ? std::chrono::milliseconds::max() : kGrammarCpuMax}) {
    if (worker != nullptr && sequence.constraint != nullptr) sequence.constraint->SetFuel(&fuel_);
  }
  ~Asking() {
    if (sequence_.constraint == nullptr) return;
    sequence_.constraint->SetFuel(nullptr);
    if (!fuel_.empty())
      sequence_.thread_steps = std::min(kGrammarStepsMax, 2 * sequence_.thread_steps);
  }
  Asking(const Asking&) = delete;
  Asking& operator=(const Asking&) = delete;

 private:
  Sequence& sequence_;
  Fuel fuel_;
};

}  // namespace infe::engine

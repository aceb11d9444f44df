// One step: every thread of the pool runs the phases of all parts in order, with a barrier after
// each. What a phase does is its part's business (parts/); the barriers, the cursors, the clock and
// the rows that are dropped before the head are ours.
#pragma once

#include <array>
#include <vector>

#include "base/thread_pool.h"
#include "model/parts/parts.h"
#include "model/phase_times.h"

namespace infe::model {

// Two cursors take turns. A phase's cursor is reset by member 0 after the barrier behind it, when
// all have left it, and used again two phases later, behind the next barrier.
using PhaseCursors = std::array<WorkCursor, 2>;

class Schedule {
 public:
  // Borrows the parts.
  explicit Schedule(const ModelParts& parts);

  // The body of the pool's run. times: null, nobody asks; of member 0 alone otherwise.
  void Run(Worker& worker, const Step& step, PhaseCursors& cursors, PhaseTimes* times) const;

 private:
  struct Entry {
    const Part* part;
    Phase phase;
  };

  void Append(const Part& part);
  // The phases of a layer's mixers. Those that read the stream or keep a state come first, of one
  // mixer and then of the other; from the first phase that drops rows on (Phase::drops_rows) they
  // only add to it.
  void AppendMixers(const LayerParts& layer, bool last);

  std::vector<Entry> entries_;
};

}  // namespace infe::model

#include "kernels/avx2/recurrence.h"

#include "kernels/avx2/vec.h"
#include "kernels/vec/recurrence-inl.h"

namespace infe::kernels::avx2 {

void Recur(Recurrence kind, const RecurrenceArgs& args) {
  switch (kind) {
    case Recurrence::kSum:
      return vec::Recur<Recurrence::kSum, Vec>(args);
    case Recurrence::kDelta:
      return vec::Recur<Recurrence::kDelta, Vec>(args);
  }
}

}  // namespace infe::kernels::avx2

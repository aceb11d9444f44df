// The AVX2 recurrence of running states (table.h).
#pragma once

#include "kernels/table.h"

namespace infe::kernels::avx2 {

void Recur(Recurrence kind, const RecurrenceArgs& args);

}  // namespace infe::kernels::avx2

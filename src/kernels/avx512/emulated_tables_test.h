// The AVX-512 and AMX kernels over emulated instructions, for tests on machines that lack them.
#pragma once

#include "kernels/table.h"

namespace infe::kernels {

// Null without AVX2 or without SIMDe's headers, and under sanitizers (emulation_test.cc).
const KernelTable* EmulatedAvx512();
const KernelTable* EmulatedAmx();

}  // namespace infe::kernels

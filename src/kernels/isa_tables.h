// The tables that table.cc chooses from, one a vector ISA. Only their addresses may be taken before
// the CPU has been asked.
#pragma once

#include "kernels/table.h"

namespace infe::kernels {

const KernelTable& Avx2Table();
const KernelTable& Avx512VnniTable();
const KernelTable& AmxTable();

}  // namespace infe::kernels

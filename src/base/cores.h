// Which CPUs this process may use, and keeping a thread on one of them.
#pragma once

#include <vector>

namespace infe {

// The numbers of the CPUs in the calling thread's affinity mask, ascending; empty if it cannot be
// read.
std::vector<int> AllowedCpus();

// The calling thread runs on this CPU only, from now on, and so do threads that it starts. False
// if the system refuses; then nothing has changed.
bool StayOnCpu(int cpu);

}  // namespace infe

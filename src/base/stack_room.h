// How much of the running thread's stack is left. For code that recurses as deep as a stranger's
// input says: it refuses while there is room for what it calls, on any thread, instead of assuming
// the 8 MiB that most have.
#pragma once

#include <cstddef>

namespace infe {

// Bytes between this call's frame and the end of the thread's stack. Some 20 ns after a thread's
// first call; on a thread whose stack cannot be told, 256 KiB at its first call.
size_t StackRoom();

}  // namespace infe

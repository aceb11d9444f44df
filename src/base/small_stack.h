// For tests alone: runs something on a thread with a small stack, where recursion that follows
// hostile input ends the process instead of passing by luck.
#pragma once

#include <cstddef>
#include <functional>

namespace infe {

// Runs the task to its end on a thread of its own. bytes: of its stack, a multiple of 64 KiB; 256
// KiB is a thirty-second of what the program's own threads have. Sanitizers, whose frames are
// several times as large, get eight times as much.
void RunOnSmallStack(const std::function<void()>& task, size_t bytes = size_t{256} << 10);

}  // namespace infe

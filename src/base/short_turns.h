// Threads that wait most of the time and then have microseconds of work, beside compute threads
// that fill every core: whoever waits for them waits for the compute threads' time slice to end,
// some milliseconds, unless the kernel knows better.
#pragma once

namespace infe {

// The calling thread asks for short time slices, so that it is run soon after it wakes up; its
// share of the processor stays what it was. Linux 6.12 and later heed it (a custom slice for
// EEVDF); an older kernel ignores it, and so does this where the kernel refuses.
void AskForShortTurns();

}  // namespace infe

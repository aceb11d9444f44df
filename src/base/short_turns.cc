#include "base/short_turns.h"

#include <cstdint>

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace infe {
namespace {

// The shortest slice that the kernel grants. Longer than what a request's head or a refusal takes.
constexpr uint64_t kSliceNs = 100'000;

// sched_attr of sched(7), first version: glibc 2.36 has no declaration of it.
struct SchedAttributes {
  uint32_t size = sizeof(SchedAttributes);
  uint32_t policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime = 0;  // of an ordinary thread: its slice, in nanoseconds
  uint64_t deadline = 0;
  uint64_t period = 0;
};

}  // namespace

void AskForShortTurns() {
  SchedAttributes attributes;
  if (syscall(SYS_sched_getattr, 0, &attributes, sizeof(attributes), 0) != 0) return;
  if (attributes.policy != SCHED_OTHER) return;  // whoever started us has chosen something else
  attributes.size = sizeof(attributes);
  attributes.runtime = kSliceNs;
  (void)syscall(SYS_sched_setattr, 0, &attributes, 0);
}

}  // namespace infe

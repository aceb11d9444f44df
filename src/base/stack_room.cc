#include "base/stack_room.h"

#include <cstdint>

#include <pthread.h>

namespace infe {
namespace {

constexpr size_t kGuess = size_t{256} << 10;

// The lowest address of the thread's stack, its guard left out.
uintptr_t LowestAddress(uintptr_t here) {
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return here - kGuess;
  void* lowest = nullptr;
  size_t size = 0;
  const int failed = pthread_attr_getstack(&attributes, &lowest, &size);
  pthread_attr_destroy(&attributes);
  return failed != 0 ? here - kGuess : reinterpret_cast<uintptr_t>(lowest);
}

}  // namespace

size_t StackRoom() {
  const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  static thread_local const uintptr_t lowest = LowestAddress(here);
  return here > lowest ? here - lowest : 0;
}

}  // namespace infe

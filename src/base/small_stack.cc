#include "base/small_stack.h"

#include <pthread.h>

#include "base/check.h"

namespace infe {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr size_t kFrameFactor = 8;
#else
constexpr size_t kFrameFactor = 1;
#endif

void* Run(void* task) {
  (*static_cast<const std::function<void()>*>(task))();
  return nullptr;
}

}  // namespace

void RunOnSmallStack(const std::function<void()>& task, size_t bytes) {
  pthread_attr_t attributes;
  INFE_CHECK(pthread_attr_init(&attributes) == 0);
  INFE_CHECK(pthread_attr_setstacksize(&attributes, bytes * kFrameFactor) == 0);
  pthread_t thread{};
  // The attributes' stack is what is asked for; glibc takes thread-local memory from it too.
  INFE_CHECK(pthread_create(&thread, &attributes, Run, const_cast<std::function<void()>*>(&task)) ==
             0);
  pthread_attr_destroy(&attributes);
  INFE_CHECK(pthread_join(thread, nullptr) == 0);
}

}  // namespace infe

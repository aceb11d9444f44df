#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace infe {

void CheckFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "infe: %s:%d: internal invariant broken: %s\n", file, line, condition);
  std::abort();
}

}  // namespace infe

// INFE_CHECK: a programmer's mistake ends the process with place and condition. No user input may
// ever reach one: bad input is a Result. INFE_DCHECK is the same in sanitizer and debug builds
// only, for hot loops.
#pragma once

namespace infe {
[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);
}  // namespace infe

#define INFE_CHECK(condition)                   \
  (__builtin_expect(!!(condition), 1) ? void(0) \
                                      : ::infe::CheckFailed(#condition, __FILE__, __LINE__))

#if !defined(NDEBUG) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define INFE_DCHECK(condition) INFE_CHECK(condition)
#else
#define INFE_DCHECK(condition) void(sizeof(!(condition)))
#endif

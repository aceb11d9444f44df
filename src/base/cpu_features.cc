#include "base/cpu_features.h"

#include <algorithm>
#include <cstring>

#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "base/cores.h"
#include "base/cpu_quota.h"

namespace infe {
namespace {

#if defined(__x86_64__)
// AMX's tiles are state that Linux saves only for processes that have asked for it, once for all of
// their threads (Linux 5.16, Documentation/arch/x86/xstate.rst).
bool MayUseTiles() {
  constexpr unsigned kTileAndInt8 = (1u << 24) | (1u << 25);
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & kTileAndInt8) != kTileAndInt8) return false;
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
#endif

CpuFeatures Detect() {
  CpuFeatures f;
  f.cores_allowed = std::max<uint32_t>(1, static_cast<uint32_t>(AllowedCpus().size()));
  f.cores_allowed = std::min(f.cores_allowed, ThreadsOf(CpuQuota()));
#if defined(__x86_64__)
  __builtin_cpu_init();
  f.avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d)) f.avx2 = f.avx2 && (c & (1u << 29)) != 0;  // F16C
  f.avx512_vnni = f.avx2 && __builtin_cpu_supports("avx512f") &&
                  __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni");
  f.avx512_bf16 = f.avx512_vnni && __builtin_cpu_supports("avx512bf16");
  f.amx_int8 = f.avx512_vnni && MayUseTiles();
  char name[49] = {};
  for (unsigned i = 0; i < 3; ++i) {
    unsigned words[4] = {};
    if (!__get_cpuid(0x80000002u + i, &words[0], &words[1], &words[2], &words[3])) break;
    std::memcpy(name + 16 * i, words, sizeof words);
  }
  f.model_name = name;
  f.model_name.erase(f.model_name.find_last_not_of(' ') + 1);
#endif
  return f;
}

}  // namespace

const CpuFeatures& GetCpuFeatures() {
  static const CpuFeatures features = Detect();
  return features;
}

}  // namespace infe

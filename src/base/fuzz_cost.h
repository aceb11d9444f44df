// For fuzz targets alone: fails when an input costs more processor time or memory than its bounds.
// The bounds are the documented ones with room for a slow machine; what they find is work that no
// fuel covers, which takes seconds and more.
#pragma once

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <sys/resource.h>
#include <time.h>

namespace infe {

class FuzzCost {
 public:
  // what: told when the bound is passed. input: likewise; its first 2 kB.
  FuzzCost(std::string_view what, std::string_view input) : what_(what), input_(input) {}

  // Fails if more was used since the last call or the construction.
  void Check(int cpu_ms_max, size_t megabytes_max) {
    const double ms = CpuMs();
    const long peak = PeakKilobytes();
    if (ms - ms_ > cpu_ms_max * kSlow)
      Fail("milliseconds of CPU time", ms - ms_, cpu_ms_max * kSlow);
    if (static_cast<size_t>(peak - peak_) / 1024 > megabytes_max * kSlow)
      Fail("MB of memory", static_cast<double>(peak - peak_) / 1024,
           static_cast<double>(megabytes_max * kSlow));
    ms_ = CpuMs();
    peak_ = PeakKilobytes();
  }

 private:
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(__clang__)
  static constexpr int kSlow = 10;  // sanitizers, and libFuzzer's counters
#else
  static constexpr int kSlow = 2;  // a machine half as fast
#endif

  static double CpuMs() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
  }
  // Of the process's whole life: what an earlier input needed costs a later one nothing.
  static long PeakKilobytes() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
  }
  [[noreturn]] void Fail(const char* unit, double used, double bound) const {
    const std::string_view shown = input_.substr(0, 2048);
    std::fprintf(stderr, "%.*s took %.0f %s where %.0f are the bound: %.*s\n",
                 static_cast<int>(what_.size()), what_.data(), used, unit, bound,
                 static_cast<int>(shown.size()), shown.data());
    std::abort();
  }

  const std::string_view what_, input_;
  double ms_ = CpuMs();
  long peak_ = PeakKilobytes();
};

}  // namespace infe

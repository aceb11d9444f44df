// What every operation of one rendering shares: the heap and the bounds. One thread.
#pragma once

#include <cstdint>

#include "jinja/error.h"
#include "jinja/meter.h"
#include "jinja/template.h"
#include "jinja/value.h"

namespace infe::jinja {

// Nesting of values that printing, comparing and tojson follow. Python's own limit lies near 1,000;
// requests reach 100 at most.
constexpr int kValueDepthMax = 200;

class Runtime {
 public:
  explicit Runtime(const RenderOptions& options)
      : options_(options),
        meter_({.steps = options.fuel,
                .bytes = options.memory_bytes_max,
                .cpu = options.cpu_time_max}) {}
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  Heap& heap() { return heap_; }
  const RenderOptions& options() const { return options_; }

  void Charge(uint64_t steps) { meter_.Spend(steps * kTicksPerStep); }
  // Making or scanning `bytes` of text.
  void ChargeBytes(size_t bytes) { meter_.Spend(bytes); }

 private:
  const RenderOptions& options_;
  Meter meter_;  // before what it counts
  Heap heap_;
};

}  // namespace infe::jinja

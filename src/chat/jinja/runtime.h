// What every operation of one rendering shares: the heap and the bounds. One thread.
#pragma once

#include <cstdint>

#include "chat/jinja/error.h"
#include "chat/jinja/value.h"
#include "chat/template.h"

namespace infe::chat::jinja {

// Nesting of values that printing, comparing and tojson follow. Python's own limit lies near 1,000;
// requests reach 100 at most.
constexpr int kValueDepthMax = 200;

class Runtime {
 public:
  explicit Runtime(const RenderOptions& options) : options_(options), fuel_(options.fuel) {}
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  Heap& heap() { return heap_; }
  const RenderOptions& options() const { return options_; }

  void Charge(uint64_t steps) {
    if (steps > fuel_) {
      fuel_ = 0;
      FailLimit("the template ran past its limit of steps");
    }
    fuel_ -= steps;
  }
  // Making or scanning `bytes` of text.
  void ChargeBytes(size_t bytes) { Charge(bytes / kBytesPerStep); }

 private:
  static constexpr size_t kBytesPerStep = 256;  // about as long as evaluating one node takes
  const RenderOptions& options_;
  uint64_t fuel_;
  Heap heap_;
};

}  // namespace infe::chat::jinja

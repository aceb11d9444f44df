// Where the time of steps goes, by the barriers between the phases of a layer (forward.h). Measured
// on the calling thread of Forward, only while somebody asks for it; `infe bench --phases` does.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace infe::model {

// The parts of a step in order. Each but the first and the last is the sum over all layers. All but
// the head's have the wait at the barrier behind them in it.
enum class StepPart : uint8_t { kEmbed, kQkv, kAttention, kOutput, kGateUp, kDown, kHead };
inline constexpr size_t kStepParts = 7;
inline constexpr std::array<const char*, kStepParts> kStepPartNames = {
    "embed", "qkv", "attention", "output", "gate_up", "down", "head"};

struct PhaseTimes {
  uint64_t steps = 0;
  std::array<double, kStepParts> ms{};  // sums over the steps
};

// Adds the time since the last lap to a part; does nothing without times.
class PhaseClock {
 public:
  explicit PhaseClock(PhaseTimes* times) : times_(times) {
    if (times_ == nullptr) return;
    ++times_->steps;
    last_ = std::chrono::steady_clock::now();
  }
  void Lap(StepPart part) {
    if (times_ == nullptr) return;
    const auto now = std::chrono::steady_clock::now();
    times_->ms[static_cast<size_t>(part)] +=
        std::chrono::duration<double, std::milli>(now - last_).count();
    last_ = now;
  }

 private:
  PhaseTimes* times_;
  std::chrono::steady_clock::time_point last_;
};

}  // namespace infe::model

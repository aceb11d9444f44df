// What a step will cost, learnt from the steps that were run:
//   ms = a + b * rows + c * attended + d * logits_rows,   all four >= 0,
// times a correction per number of rows, because few rows are bound by memory and many by
// arithmetic. Samples are averaged in cells (rows x context), so that a thousand decode steps do
// not outvote one prefill chunk, and old ones fade. Engine thread only. docs/scheduler.md.
#pragma once

#include <array>
#include <cstdint>
#include <map>

namespace infe::engine {

struct StepShape {
  uint32_t rows = 0;         // tokens of the step
  double attended = 0;       // sum over rows of the positions each attends to
  uint32_t logits_rows = 0;  // rows that need the head
};

class StepCost {
 public:
  // Milliseconds; 0 before anything was observed.
  double Predict(const StepShape& shape) const;
  void Observe(const StepShape& shape, double ms);
  // The most rows of any step observed: predictions far beyond are guesses.
  uint32_t rows_seen() const { return rows_seen_; }
  // Of one more token of a prompt, and of one more decoding sequence: the weights of fairness.
  double prefill_ms_per_token() const { return coefficients_[1]; }

 private:
  static constexpr int kFeatures = 4;
  using Features = std::array<double, kFeatures>;
  struct Cell {
    Features features{};
    double ms = 0;
    double samples = 0;  // fades
  };
  static Features FeaturesOf(const StepShape& shape);
  double Linear(const Features& features) const;
  double Correction(uint32_t rows) const;
  void Fit();

  std::map<std::pair<int, int>, Cell> cells_;  // (bucket of rows, context in powers of two)
  Features coefficients_{};
  static constexpr int kRowBuckets = 32;          // 1..16, then half powers of two: up to 4096 rows
  std::array<double, kRowBuckets> correction_{};  // 0: nothing observed there
  uint32_t observed_ = 0;
  uint32_t rows_seen_ = 0;
};

}  // namespace infe::engine

#include "engine/step_cost.h"

#include <algorithm>
#include <cmath>

namespace infe::engine {
namespace {

constexpr double kNewSample = 0.1;   // weight of a new sample in its cell
constexpr double kPriorSamples = 2;  // what a prediction counts in a cell not met before
constexpr double kOutlier = 4;       // a step stolen by the machine's neighbours counts as this
constexpr double kFading = 0.999;    // per observation; a cell not met for 5000 steps is gone
constexpr double kCellMin = 0.01;
constexpr uint32_t kFitEvery = 8;
constexpr int kSweeps = 60;
constexpr double kRidge = 1e-4;  // of the squared scale of a feature: breaks ties between features

// Up to this many rows every number of them is a bucket of its own: kernels take rows in groups, so
// one more may cost nothing or as much as four. That is where drafts are decided.
constexpr double kExactRows = 16;

// Where rows lie on the scale of buckets: one by one, then by half powers of two.
double RowPlace(double rows) {
  if (rows <= kExactRows) return std::max(0.0, rows - 1);
  return kExactRows - 1 + 2 * std::log2(rows / kExactRows);
}

int RowBucket(double rows, int buckets) {
  return std::clamp(static_cast<int>(std::lround(RowPlace(rows))), 0, buckets - 1);
}

}  // namespace

StepCost::Features StepCost::FeaturesOf(const StepShape& shape) {
  return {1.0, static_cast<double>(shape.rows), shape.attended / 1000,
          static_cast<double>(shape.logits_rows)};
}

double StepCost::Linear(const Features& features) const {
  double ms = 0;
  for (int i = 0; i < kFeatures; ++i) ms += coefficients_[i] * features[i];
  return ms;
}

// Between the two nearest buckets that have been observed.
double StepCost::Correction(uint32_t rows) const {
  const double at = RowPlace(rows);
  int below = std::min(static_cast<int>(at), kRowBuckets - 1);
  int above = std::min(below + 1, kRowBuckets - 1);
  while (below >= 0 && correction_[below] == 0) --below;
  while (above < kRowBuckets && correction_[above] == 0) ++above;
  if (below < 0 && above >= kRowBuckets) return 1;
  if (below < 0) return correction_[above];
  if (above >= kRowBuckets || above == below) return correction_[below];
  const double share = std::clamp((at - below) / (above - below), 0.0, 1.0);
  return correction_[below] * (1 - share) + correction_[above] * share;
}

double StepCost::Predict(const StepShape& shape) const {
  return Linear(FeaturesOf(shape)) * Correction(shape.rows);
}

void StepCost::Observe(const StepShape& shape, double ms) {
  if (shape.rows == 0 || !(ms > 0)) return;
  const Features features = FeaturesOf(shape);
  const double predicted = Predict(shape);
  const bool known_size = shape.rows <= rows_seen_;
  if (known_size && predicted > 0) ms = std::min(ms, kOutlier * predicted);
  rows_seen_ = std::max(rows_seen_, shape.rows);

  const auto key = std::pair(RowBucket(shape.rows, kRowBuckets),
                             static_cast<int>(std::log2(1 + shape.attended / shape.rows / 64)));
  Cell& cell = cells_[key];
  const bool new_cell = cell.samples == 0;
  if (new_cell && known_size && predicted > 0) {
    cell = {features, predicted, kPriorSamples};  // the first sample may be the odd one
  }
  const double weight = std::max(kNewSample, 1 / (1 + cell.samples));
  for (int i = 0; i < kFeatures; ++i) {
    cell.features[i] += weight * (features[i] - cell.features[i]);
  }
  cell.ms += weight * (ms - cell.ms);
  cell.samples = std::min(cell.samples + 1, 1 / kNewSample);
  for (auto it = cells_.begin(); it != cells_.end();) {
    it->second.samples *= kFading;
    it = it->second.samples < kCellMin ? cells_.erase(it) : std::next(it);
  }
  if (new_cell || ++observed_ % kFitEvery == 0) Fit();
}

// Least squares of relative errors over the cells, coefficients >= 0, by coordinate descent; then
// the correction of each row bucket from what the line leaves.
void StepCost::Fit() {
  double normal[kFeatures][kFeatures] = {};
  double right[kFeatures] = {};
  for (const auto& [key, cell] : cells_) {
    const double weight = 1 / (cell.ms * cell.ms);
    for (int i = 0; i < kFeatures; ++i) {
      for (int j = 0; j < kFeatures; ++j) {
        normal[i][j] += weight * cell.features[i] * cell.features[j];
      }
      right[i] += weight * cell.features[i] * cell.ms;
    }
  }
  coefficients_ = {};
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    for (const int i : {1, 0, 2, 3}) {  // rows first: alone it errs to the careful side
      double rest = right[i];
      for (int j = 0; j < kFeatures; ++j) {
        if (j != i) rest -= normal[i][j] * coefficients_[j];
      }
      const double scale = normal[i][i] * (1 + kRidge);
      coefficients_[i] = scale > 0 ? std::max(0.0, rest / scale) : 0;
    }
  }
  std::array<double, kRowBuckets> sum{};
  std::array<double, kRowBuckets> weight{};
  for (const auto& [key, cell] : cells_) {
    const double linear = Linear(cell.features);
    if (!(linear > 0)) continue;
    sum[key.first] += cell.samples * cell.ms / linear;
    weight[key.first] += cell.samples;
  }
  for (int i = 0; i < kRowBuckets; ++i) {
    correction_[i] = weight[i] > 0 ? std::clamp(sum[i] / weight[i], 0.25, 4.0) : 0;
  }
}

}  // namespace infe::engine

// The end of a model that writes no text: the rows of each text, normalised, become one, which some
// models map on: encoders of pairs to a score, others to a space of its own. One phase. Tensors:
// output_norm, or of norms of the stream the last layer's layer_output_norm; those of the maps.
#pragma once

#include <cstdint>
#include <vector>

#include "model/parts/part.h"
#include "model/parts/residual.h"

namespace infe::model {

// Whether a text must be one item of one step: a position sees those behind it, or more rows count
// than the last.
bool ReadsWholeTexts(const ModelConfig& config);

class PoolPart : public Part {
 public:
  Result<void> Plan(PartPlan& plan) override;
  std::vector<Phase> phases() const override;

  // What an item may want of the model. If positions see only those before them and the last row
  // stands for the text, the text may be cut, and its beginning be known: kHidden. Else kPooled.
  Output output() const { return output_; }
  // Results of a step, one for each item that wants one, in their order: [rows][hidden_size].
  const float* hidden(const Scratch& scratch) const { return scratch.shared.Floats(hidden_); }
  size_t hidden_size() const { return maps_.empty() ? size_ : maps_.back().rows; }

 private:
  struct Map {
    const float* matrix = nullptr;  // [rows][cols]
    const float* bias = nullptr;    // [rows]; null: none
    uint32_t rows = 0;
    uint32_t cols = 0;
    bool tanh = false;
  };

  Result<void> PlanMaps(PartPlan& plan);
  void Run(Lane& lane, const Step& step) const;
  // The row of a text, mapped on.
  void Finish(const Lane& lane, const Step& step, const float* row, float* out) const;
  void PoolRows(const Step& step, const float* rows, uint32_t count, float* out) const;

  StreamNorm norm_;
  Output output_ = Output::kPooled;
  size_t size_ = 0;  // of a row
  std::vector<Map> maps_;
  BufferId own_a_, own_b_;  // rows on their way through the maps
  BufferId hidden_;
};

}  // namespace infe::model

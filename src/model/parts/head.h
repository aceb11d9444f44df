// The head: logits of the wanted rows, and while they are in the cache of the thread that made
// them, what the sampler wants to know of each run of them (logit_summary.h). One phase. Tensors:
// output_norm, output, or token_embd where the head is tied.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/packed_matrix.h"
#include "model/logit_summary.h"
#include "model/parts/part.h"

namespace infe::model {

class HeadPart : public Part {
 public:
  Result<void> Plan(PartPlan& plan) override;
  std::vector<Phase> phases() const override;

  const kernels::PackedMatrix& matrix() const { return matrix_; }
  // Results of a step, in the order of the plan's wanted rows: [logits rows][logits_stride], and
  // [logits rows][LogitSpans(vocabulary)].
  float* logits(const Scratch& scratch) const { return scratch.shared.Floats(logits_); }
  size_t logits_stride() const { return stride_; }
  LogitSummary* summaries(const Scratch& scratch) const {
    return reinterpret_cast<LogitSummary*>(scratch.shared.Bytes(summaries_));
  }

 private:
  void Run(Lane& lane, const Step& step) const;
  // What is done to n logits behind the product.
  void Finish(const Step& step, float* logits, uint32_t n) const;
  void WholeRows(const Step& step, const kernels::Activations& input, uint32_t stripe_begin,
                 uint32_t stripe_end) const;
  void ChosenRows(Lane& lane, const Step& step, const kernels::Activations& input,
                  uint32_t stripe_begin, uint32_t stripe_end) const;
  void SummariseRows(Lane& lane, const Step& step, uint32_t begin, uint32_t end) const;

  const float* norm_ = nullptr;   // [embedding]
  kernels::PackedMatrix matrix_;  // [vocabulary, embedding]
  size_t stride_ = 0;             // vocabulary rounded up to a stripe
  BufferId logits_;
  BufferId summaries_;
  BufferId own_span_;  // [kLogitSpan]: logits as a mask leaves them
};

}  // namespace infe::model

// The residual stream: how parts read it (normalised and quantised) and how they add to it.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/activations.h"
#include "kernels/packed_matrix.h"
#include "model/parts/part.h"

namespace infe::model {

// Up to this many rows every thread normalises and quantises all rows for itself rather than wait
// at a barrier for the others' share. The bits are the same.
inline constexpr uint32_t kPrivateNormRowsMax = 6;

// Asks for the buffers of every part's input and output. Those that only float products or
// post-norms need have no bytes yet.
ResidualBuffers PlanResidual(const ModelConfig& config, const StepLimits& limits,
                             ScratchPlan& scratch);
// The rest, when the parts have planned: for products that read floats.
void PlanFloatInput(const ModelConfig& config, const StepLimits& limits, ScratchPlan& scratch);

// How a part's output is added to the stream.
struct StreamAdd {
  float scale = 1;
  const float* bias = nullptr;       // [embedding], null without: added before the scale
  const float* post_norm = nullptr;  // [embedding]: of the whole row, before it is added
  float after = 1;  // multiplies the stream when it has been added; 1 without a post-norm
};

// A norm of the stream.
struct StreamNorm {
  const float* weight = nullptr;  // [embedding]; null: the stream as it is
  const float* bias = nullptr;    // [embedding], of a LayerNorm; null: an RMSNorm
  bool stays = false;             // the stream is the normed one from now on
};

// The tensors of the norm `name`, without ".weight"; of the kind that the model has.
Result<void> PlanNorm(PartPlan& plan, const std::string& name, StreamNorm* norm);

// The input of a part. First what waits in `delta` is post-normed and added to the stream, then the
// stream is normalised and quantised: by every thread for itself if rows are few, else shared with
// one more barrier.
kernels::Activations Normalise(Lane& lane, const Step& step, const StreamNorm& norm);
inline kernels::Activations Normalise(Lane& lane, const Step& step, const float* weight) {
  return Normalise(lane, step, StreamNorm{.weight = weight});
}

// The output of a part, matrix * input: scaled and added to the stream; or, if there is a
// post-norm, left in `delta` for the next Normalise to add.
void AddToStream(Lane& lane, const Step& step, const kernels::PackedMatrix& matrix,
                 const kernels::Activations& input, const StreamAdd& add);
// The same of columns [at, at + n) of one row, whose values are there and are spoilt. When all are,
// the part calls EndAdd.
void AddToRow(Lane& lane, const Step& step, const StreamAdd& add, uint32_t row, uint32_t at,
              float* values, uint32_t n);

void EndAdd(Lane& lane, const StreamAdd& add);

// Goes on with the plan's wanted rows alone. Nobody may read them before the next barrier.
void DropUnwantedRows(Lane& lane, const Step& step);

}  // namespace infe::model

// Mixture of experts: each row goes to a few of many feed-forward parts, gated ones as a rule, and
// to one that all rows share where the family has it. Four phases:
//   1 the input and the router's logits
//   2 every thread chooses the experts of all rows and lines the rows up by expert; then their
//     inputs are quantised in that order, so that an expert's rows are one product
//   3 gate and up of (expert, stripes); then the activation, and quantise
//   4 down of (stripes, all experts in ascending order), weighed, added up, added to the stream
// A row adds its experts in ascending order and the shared one last, whoever else is in the batch:
// so its bits are its own. One decode row reads the weights of its experts alone; rows that share
// an expert read it once.
//
// Tensors: ffn_norm, ffn_gate_inp, exp_probs_b.bias, ffn_{gate,up,down}_exps or ffn_gate_up_exps
// (planes, one an expert), ffn_{gate,up,down}_shexp, ffn_gate_inp_shexp, post_ffw_norm. Shazeer et
// al. 2017; Fedus et al. 2021.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/packed_matrix.h"
#include "model/parts/part.h"
#include "model/parts/residual.h"
#include "model/parts/router.h"

namespace infe::model {

class MoeFfnPart : public Part {
 public:
  explicit MoeFfnPart(const LayerConfig& layer)
      : MoeFfnPart(layer, std::get<MoeFfnConfig>(layer.feed_forward)) {}
  // As part of another one.
  MoeFfnPart(const LayerConfig& layer, const MoeFfnConfig& config)
      : config_(config),
        output_scale_(layer.output_scale),
        pre_norms_(layer.pre_norms),
        post_norms_(layer.post_norms),
        add_{.scale = layer.residual_scale} {}

  Result<void> Plan(PartPlan& plan) override;
  std::vector<Phase> phases() const override;

  // [embedding]: of what the part puts out; null without.
  const float* post_norm() const { return add_.post_norm; }

  void Route(Lane& lane, const Step& step) const;
  void LineUp(Lane& lane, const Step& step) const;
  void GateUp(Lane& lane, const Step& step) const;
  void Down(Lane& lane, const Step& step) const;

 private:
  struct Expert {
    kernels::PackedMatrix gate, up;  // [width, embedding]; gate without rows if none is gated
    kernels::PackedMatrix down;      // [embedding, width]
    uint32_t number = 0;             // among those that have biases
  };
  // Rows that go to one expert: entries [begin, end) of the line.
  struct Bucket {
    uint32_t expert = 0;
    uint32_t begin = 0, end = 0;
  };
  // One row at one expert.
  struct Entry {
    uint32_t row = 0;
    float weight = 0;
  };
  // The rows of a step by expert; every thread has its own, and all are the same.
  struct Line {
    Entry* entries;    // [rows * used]
    Bucket* buckets;   // [experts]: those with rows, ascending
    uint32_t* counts;  // {entries, buckets}
  };

  bool gated() const { return IsGated(config_.activation); }
  Result<void> PlanExperts(PartPlan& plan);
  Result<void> PlanShared(PartPlan& plan);
  Result<void> PlanRouter(PartPlan& plan);
  Result<void> PlanBiases(PartPlan& plan);
  void PlanBuffers(PartPlan& plan);

  void ChooseAll(Lane& lane, const Step& step) const;
  // Rows [r0, r1) of `input` through stripes [s0, s1) of an expert's gate and up, into `out`.
  void GateUpTile(Lane& lane, const Step& step, const Expert& expert,
                  const kernels::Activations& input, const kernels::Activations& out,
                  float* out_floats, const uint32_t (&rows)[2], const uint32_t (&stripes)[2]) const;
  // The biases of `expert` on n outputs from `at` on of its gate and up.
  void AddBiases(const Step& step, const Expert& expert, uint32_t at, uint32_t n, float* gate,
                 float* up) const;
  void DownStripes(Lane& lane, const Step& step, uint32_t s0, uint32_t s1) const;
  void DownShared(Lane& lane, const Step& step, uint32_t s0, uint32_t s1) const;

  Line OwnLine(const Lane& lane) const;
  kernels::Activations LinedUp(const Step& step, uint32_t entries) const;
  kernels::Activations Hidden(const Step& step, uint32_t entries) const;
  kernels::Activations SharedHidden(const Step& step, uint32_t rows) const;

  const MoeFfnConfig config_;
  const bool output_scale_;
  const bool pre_norms_;
  const bool post_norms_;
  StreamAdd add_;

  const float* norm_ = nullptr;           // [embedding]
  kernels::PackedMatrix router_;          // [experts, embedding]
  const float* bias_ = nullptr;           // [experts], null without
  const float* router_norm_ = nullptr;    // [embedding]; null: the router sees what experts see
  const float* expert_scales_ = nullptr;  // [experts], null without
  // Null without biases: [experts], and for each expert [width], [width], [embedding].
  const float* router_bias_ = nullptr;
  const float* gate_bias_ = nullptr;
  const float* up_bias_ = nullptr;
  const float* down_bias_ = nullptr;
  std::vector<Expert> experts_;
  Expert shared_;                      // of shared_width, without rows if there is none
  kernels::PackedMatrix shared_gate_;  // [1, embedding], the same

  BufferId logits_;           // [rows][padded experts]
  BufferId gates_;            // [rows][kStripeRows], the first is the shared expert's logit
  BufferId lined_up_;         // (rows * used) x embedding
  BufferId lined_up_floats_;  // the same as f32, null unless gate or up read floats
  BufferId hidden_;           // (rows * used) x width
  BufferId hidden_floats_;    // the same as f32, null unless down reads floats
  BufferId shared_hidden_;    // rows x shared width
  BufferId shared_hidden_floats_;
  BufferId mixed_;  // [rows][embedding]: the weighed sum
  BufferId own_row_;
  BufferId own_entries_, own_buckets_, own_counts_, own_choices_, own_scores_, own_logits_;
};

}  // namespace infe::model

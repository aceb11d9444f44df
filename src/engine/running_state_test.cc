// The engine over a real model whose layers remember one state: a tiny Qwen3.5 with random weights,
// delta nets and an attention layer. What a sequence says must not depend on what the engine did to
// its state: snapshots of the prefix tree, drafts that are taken back, preemption, company.
#include <atomic>
#include <chrono>
#include <random>

#include <gtest/gtest.h>

#include "engine/engine.h"
#include "engine/test_support.h"
#include "kernels/table.h"
#include "model/gguf_builder.h"
#include "model/model.h"

namespace infe::engine {
namespace {

constexpr uint32_t kWidth = 64;
constexpr uint32_t kVocabulary = 96;
constexpr uint32_t kLayers = 4;  // the last is attention
constexpr uint32_t kHead = 32;   // dimensions of an attention head
constexpr uint32_t kDelta = 16;  // dimensions of a head of the delta nets

class TinyFile {
 public:
  TinyFile() {
    b_.String("general.architecture", "qwen35");
    for (const auto& [key, value] : {std::pair{"block_count", kLayers},
                                     {"context_length", 512u},
                                     {"embedding_length", kWidth},
                                     {"feed_forward_length", 96u},
                                     {"attention.head_count", 2u},
                                     {"attention.head_count_kv", 1u},
                                     {"attention.key_length", kHead},
                                     {"attention.value_length", kHead},
                                     {"rope.dimension_count", 8u},
                                     {"ssm.conv_kernel", 4u},
                                     {"ssm.state_size", kDelta},
                                     {"ssm.group_count", 1u},
                                     {"ssm.time_step_rank", 2u},
                                     {"ssm.inner_size", 2 * kDelta},
                                     {"full_attention_interval", kLayers}}) {
      b_.Unsigned(std::string("qwen35.") + key, value);
    }
    b_.Float("qwen35.attention.layer_norm_rms_epsilon", 1e-5F);
    Tensor("token_embd.weight", {kWidth, kVocabulary}, 0, 1);
    Tensor("output_norm.weight", {kWidth}, 1, 0.2F);
    for (uint32_t l = 0; l < kLayers; ++l)
      Layer("blk." + std::to_string(l) + ".", l + 1 == kLayers);
  }
  std::string Bytes() const { return b_.Bytes(); }

 private:
  void Layer(const std::string& p, bool attention) {
    Tensor(p + "attn_norm.weight", {kWidth}, 1, 0.2F);
    if (attention) {
      Tensor(p + "attn_q.weight", {kWidth, 4 * kHead}, 0, 0.2F);
      Tensor(p + "attn_k.weight", {kWidth, kHead}, 0, 0.2F);
      Tensor(p + "attn_v.weight", {kWidth, kHead}, 0, 0.2F);
      Tensor(p + "attn_output.weight", {2 * kHead, kWidth}, 0, 0.2F);
      Tensor(p + "attn_q_norm.weight", {kHead}, 1, 0.2F);
      Tensor(p + "attn_k_norm.weight", {kHead}, 1, 0.2F);
    } else {
      Tensor(p + "attn_qkv.weight", {kWidth, 4 * kDelta}, 0, 0.3F);
      Tensor(p + "attn_gate.weight", {kWidth, 2 * kDelta}, 0, 0.3F);
      Tensor(p + "ssm_beta.weight", {kWidth, 2}, 0, 0.3F);
      Tensor(p + "ssm_alpha.weight", {kWidth, 2}, 0, 0.3F);
      Tensor(p + "ssm_conv1d.weight", {4, 4 * kDelta}, 0, 0.7F);
      Tensor(p + "ssm_a", {2}, -0.1F, 0.05F);  // it forgets slowly
      Tensor(p + "ssm_dt.bias", {2}, 0, 0.5F);
      Tensor(p + "ssm_norm.weight", {kDelta}, 1, 0.2F);
      Tensor(p + "ssm_out.weight", {2 * kDelta, kWidth}, 0, 0.4F);
    }
    Tensor(p + "post_attention_norm.weight", {kWidth}, 1, 0.2F);
    Tensor(p + "ffn_gate.weight", {kWidth, 96}, 0, 0.2F);
    Tensor(p + "ffn_up.weight", {kWidth, 96}, 0, 0.2F);
    Tensor(p + "ffn_down.weight", {96, kWidth}, 0, 0.2F);
  }

  void Tensor(const std::string& name, std::vector<uint64_t> shape, float mean, float spread) {
    uint64_t count = 1;
    for (const uint64_t size : shape) count *= size;
    std::string bytes;
    for (uint64_t i = 0; i < count; ++i) {
      const float unit = static_cast<float>(random_() % 2001) / 1000 - 1;
      bytes += model::GgufBuilder::Number(mean + spread * unit);
    }
    b_.Tensor(name, 0, std::move(shape), bytes);
  }

  std::mt19937 random_{5};
  model::GgufBuilder b_;
};

class RunningState : public testing::Test {
 protected:
  void SetUp() override {
    auto file = model::GgufFile::Parse(model::AsBytes(bytes));
    ASSERT_TRUE(file) << file.error().message;
    auto loaded = model::Model::Load(*file, pool, kernels::SelectKernels(), {});
    ASSERT_TRUE(loaded) << loaded.error().message;
    model = std::move(*loaded);
  }

  // Prompts of one beginning: a period that drafts find, and an end of their own.
  std::vector<std::vector<TokenId>> Run(EngineOptions options, bool together) {
    options.context_max = 256;
    options.vocabulary = kVocabulary;
    // Drafts are planned by what steps cost: here every look at the clock is as long as the other.
    const auto ticks = std::make_shared<std::atomic<int64_t>>(0);
    options.clock = [ticks] {
      return std::chrono::steady_clock::time_point(std::chrono::microseconds(50 * ++*ticks));
    };
    auto engine = Engine::Start(*model, options);
    INFE_CHECK(engine.has_value());
    std::vector<std::shared_ptr<RecordingSink>> sinks;
    for (uint32_t id = 1; id <= 5; ++id) {
      std::vector<TokenId> prompt;
      for (uint32_t i = 0; i < 70; ++i) prompt.push_back(3 + i % 7);
      for (uint32_t i = 0; i < id; ++i) prompt.push_back(20 + id + i);
      EngineRequest request = MakeRequest(prompt, 40, Sampled(id));
      request.sampling.temperature = id % 2 == 0 ? 0 : 0.8F;
      request.id = id;
      request.sink = sinks.emplace_back(std::make_shared<RecordingSink>());
      INFE_CHECK((*engine)->Submit(std::move(request)).has_value());
      if (!together) sinks.back()->Wait();
    }
    std::vector<std::vector<TokenId>> texts;
    for (const auto& sink : sinks) {
      sink->Wait();
      EXPECT_NE(sink->last.reason, FinishReason::kError) << sink->last.error.message;
      texts.push_back(sink->tokens);
    }
    stats = (*engine)->stats();
    return texts;
  }

  const std::string bytes = TinyFile().Bytes();
  ThreadPool pool{2};
  std::unique_ptr<model::Model> model;
  EngineStats stats;
};

TEST_F(RunningState, TextIsTheSameAloneTogetherCachedAndDrafted) {
  const auto plain = Run({.prefix_cache = false, .speculation = false}, false);
  for (const auto& text : plain) EXPECT_EQ(text.size(), 40u);
  EXPECT_NE(plain[0], plain[1]);
  EXPECT_EQ(Run({.speculation = false}, false), plain);
  EXPECT_GT(stats.cached_tokens, 0u);
  EXPECT_EQ(Run({.prefix_cache = false}, false), plain);
  EXPECT_GT(stats.drafted, stats.accepted) << "some draft has to be taken back";
  EXPECT_EQ(Run({}, true), plain);
  EXPECT_EQ(Run({.batch_sequences_max = 2, .step_budget_ms = 1}, true), plain);
}

}  // namespace
}  // namespace infe::engine

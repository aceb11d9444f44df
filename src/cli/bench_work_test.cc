// The work that is timed must be the work that is claimed: a model that keeps books instead of
// computing sees every position of every sequence once, in order, and rows of logits where a token
// is drawn.
#include "cli/bench_work.h"

#include <map>

#include <gtest/gtest.h>

#include "cli/bench_series.h"

namespace infe::cli {
namespace {

class BookKeeper : public model::StepModel {
 public:
  BookKeeper() : logits_(64 * kVocabulary) {
    config_.vocabulary = kVocabulary;
    group_.layers = {0};
    group_.layer_bytes = group_.block_bytes = 64;
  }
  const model::ModelConfig& config() const override { return config_; }
  std::span<const model::StateGroup> kv_groups() const override { return {&group_, 1}; }
  const float* logits() const override { return logits_.data(); }
  size_t logits_stride() const override { return kVocabulary; }

  void Forward(const model::Batch& batch, const model::StateView& kv) override {
    ++steps;
    EXPECT_NE(kv.arena[0], nullptr);
    uint32_t rows = 0;
    for (const model::BatchItem& item : batch.items) {
      uint32_t& written = written_[item.blocks[0][0]];
      if (item.position == 0) written = 0;  // the sequence starts anew
      EXPECT_LE(item.position, written) << "a position before it was never written";
      written = item.position + static_cast<uint32_t>(item.tokens.size());
      EXPECT_LE(written, item.blocks[0].size() * model::kBlockPositions);
      for (const model::TokenId token : item.tokens) EXPECT_LT(token, kVocabulary);
      tokens += item.tokens.size();
      logits_rows += item.logits_rows;
      rows += static_cast<uint32_t>(item.tokens.size());
    }
    EXPECT_LE(rows, BenchWork::kChunkRows);
    rows_max = std::max(rows_max, rows);
  }

  uint64_t steps = 0, tokens = 0, logits_rows = 0;
  uint32_t rows_max = 0;
  uint32_t Written(uint32_t first_block) const { return written_.at(first_block); }

 private:
  static constexpr uint32_t kVocabulary = 50;
  model::ModelConfig config_;
  model::StateGroup group_;
  std::vector<float> logits_;
  std::map<uint32_t, uint32_t> written_;  // positions, by a sequence's first block
};

class BenchWorkTest : public testing::Test {
 protected:
  BookKeeper model_;
  BenchWork work_{model_, kernels::SelectKernels(), 4, 1200};
};

TEST_F(BenchWorkTest, PrefillRunsEveryTokenOnceAndAsksForOneRow) {
  EXPECT_GT(work_.Prefill(1100), 0);
  EXPECT_EQ(model_.tokens, 1100u);
  EXPECT_EQ(model_.steps, 3u);  // 512, 512, 76
  EXPECT_EQ(model_.logits_rows, 1u);
}

TEST_F(BenchWorkTest, DecodeStepsAllStreamsTogetherBehindTheirPrompts) {
  work_.Fill(4, 100);
  model_.steps = model_.tokens = model_.logits_rows = 0;
  EXPECT_GT(work_.Decode(4, 100, 30), 0);
  EXPECT_EQ(model_.steps, 30u);
  EXPECT_EQ(model_.tokens, 120u);
  EXPECT_EQ(model_.logits_rows, 120u);
  const uint32_t blocks = (1200 + model::kBlockPositions - 1) / model::kBlockPositions;
  for (uint32_t s = 0; s < 4; ++s) EXPECT_EQ(model_.Written(s * blocks), 130u);
}

TEST_F(BenchWorkTest, MixedStepsCarryOneRowOfEachStreamAndOneChunk) {
  work_.Fill(3, 10);
  model_.steps = model_.tokens = model_.logits_rows = model_.rows_max = 0;
  const MixedResult result = work_.Mixed(3, 10, 100, 32);
  EXPECT_EQ(model_.steps, 4u);  // 32, 32, 32, 4
  EXPECT_EQ(model_.tokens, 100u + 4 * 3);
  EXPECT_EQ(model_.logits_rows, 4u * 3);
  EXPECT_EQ(model_.rows_max, 35u);
  EXPECT_NEAR(result.decode_tok_s / result.prefill_tok_s, 12.0 / 100, 1e-9);
}

TEST(Series, MedianIsTheMiddleOrTheMeanOfTheTwoMiddleOnes) {
  Series series;
  EXPECT_EQ(series.Median(), 0);
  for (const double value : {9.0, 1.0, 4.0}) series.Add(value);
  EXPECT_EQ(series.Median(), 4);
  series.Add(5);
  EXPECT_EQ(series.Median(), 4.5);
  EXPECT_EQ(series.Min(), 1);
  EXPECT_EQ(series.Max(), 9);
}

}  // namespace
}  // namespace infe::cli

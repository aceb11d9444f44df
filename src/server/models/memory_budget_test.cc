#include "server/models/memory_budget.h"

#include <gtest/gtest.h>

#include "engine/draft_model.h"

namespace infe::server {
namespace {

constexpr uint64_t kMib = uint64_t{1} << 20;

// Weights of 100 MiB, steps of 20, and 2 MiB for every 32 positions.
model::ModelNeeds Needs() {
  model::StateGroup group;
  group.layers = {0};
  group.layer_bytes = group.block_bytes = 2 * kMib;
  return {.weight_bytes = 100 * kMib, .step_bytes = 20 * kMib, .groups = {group}};
}

// A sequence of 256 tokens: the shortest that is served.
constexpr uint64_t kShortest = 256 / 32 * 2 * kMib;
constexpr uint64_t kFixed = kMemoryBesideModels + 120 * kMib;

std::string Refusal(const ServerConfig& config, const MemoryBudget& budget) {
  const auto planned = PlanMemory(Needs(), config, budget);
  EXPECT_FALSE(planned);
  if (planned) return {};
  EXPECT_EQ(planned.error().code, ErrorCode::kResourceExhausted);
  return planned.error().message;
}

TEST(MemoryBudget, WithoutALimitTheStateTakesWhatWasAsked) {
  const auto planned = PlanMemory(Needs(), {}, {});
  ASSERT_TRUE(planned);
  EXPECT_EQ(planned->state, ServerConfig().kv_memory_bytes);
  EXPECT_EQ(planned->all(), 120 * kMib + ServerConfig().kv_memory_bytes);
}

TEST(MemoryBudget, TheStateTakesWhatIsLeftAndNoMoreThanAsked) {
  ServerConfig config;
  const auto wide = PlanMemory(Needs(), config, {.limit = 8192 * kMib});
  ASSERT_TRUE(wide);
  EXPECT_EQ(wide->state, config.kv_memory_bytes);
  const auto narrow = PlanMemory(Needs(), config, {.limit = kFixed + 70 * kMib});
  ASSERT_TRUE(narrow);
  EXPECT_EQ(narrow->state, 70 * kMib);
  EXPECT_EQ(narrow->all() + kMemoryBesideModels, kFixed + 70 * kMib);
  const auto shared =
      PlanMemory(Needs(), config, {.limit = kFixed + 70 * kMib, .others = 30 * kMib});
  ASSERT_TRUE(shared);
  EXPECT_EQ(shared->state, 40 * kMib);
}

TEST(MemoryBudget, OneByteTooFewIsRefused) {
  EXPECT_TRUE(PlanMemory(Needs(), {}, {.limit = kFixed + kShortest}));
  const std::string why = Refusal({}, {.limit = kFixed + kShortest - 1});
  EXPECT_NE(why.find("100 MiB for weights, 20 MiB for the buffers of a step and 16 MiB for a "
                     "sequence of 256 tokens"),
            std::string::npos)
      << why;
}

// Every remedy that is named does what it says.
TEST(MemoryBudget, WhatIsSaidToFitFits) {
  ServerConfig config;
  config.context = 4096;
  const MemoryBudget budget{.limit = kFixed + 100 * kMib};
  const std::string why = Refusal(config, budget);
  EXPECT_NE(why.find("What would fit: a context of 1024; or a memory_limit of 472 MiB"),
            std::string::npos)
      << why;
  config.context = 1024;
  EXPECT_TRUE(PlanMemory(Needs(), config, budget));
  config.context = 4096;
  EXPECT_TRUE(PlanMemory(Needs(), config, {.limit = 472 * kMib}));
  EXPECT_FALSE(PlanMemory(Needs(), config, {.limit = 471 * kMib}));
}

TEST(MemoryBudget, WeightsThatAreTooLargeNeedASmallerFile) {
  const MemoryBudget budget{.limit = kMemoryBesideModels + 80 * kMib};
  const std::string why = Refusal({}, budget);
  EXPECT_NE(why.find("weights of up to 44 MiB"), std::string::npos) << why;
  model::ModelNeeds smaller = Needs();
  smaller.weight_bytes = 44 * kMib;
  EXPECT_TRUE(PlanMemory(smaller, {}, budget));
  EXPECT_EQ(why.find("fewer models"), std::string::npos) << why;
}

TEST(MemoryBudget, OtherModelsAreNamed) {
  const std::string why = Refusal({}, {.limit = kFixed + 100 * kMib, .others = 90 * kMib});
  EXPECT_NE(why.find("90 MiB for other models"), std::string::npos) << why;
  EXPECT_NE(why.find("fewer models; or a memory_limit of"), std::string::npos) << why;
}

TEST(MemoryBudget, AModelWithoutStateNeedsNone) {
  model::ModelNeeds encoder = Needs();
  encoder.groups.clear();
  const auto planned = PlanMemory(encoder, {}, {.limit = kFixed});
  ASSERT_TRUE(planned);
  EXPECT_EQ(planned->state, 0u);
}

// One of weights of 30 MiB, steps of 10, and 8 MiB for all that it has read.
model::ModelNeeds DraftNeeds() {
  model::StateGroup group;
  group.layers = {0};
  group.layer_bytes = group.block_bytes = 64 << 10;
  return {.weight_bytes = 30 * kMib, .step_bytes = 10 * kMib, .groups = {group}};
}
constexpr uint64_t kDraftState = 8 * kMib;

// Needs(), with a draft model; `context` is its own.
Result<ModelMemory> Drafted(const ServerConfig& config, const MemoryBudget& budget,
                            uint32_t context, const model::ModelNeeds& draft = DraftNeeds()) {
  const model::ModelNeeds needs = Needs();
  INFE_ASSIGN(const ModelMemory alone, PlanMemory(needs, config, budget));
  return PlanDraft({.memory = alone, .groups = needs.groups, .context = context}, draft, config,
                   budget);
}

TEST(MemoryBudget, ADraftModelGetsWhatTheModelAndItsContextLeave) {
  ASSERT_EQ(engine::DraftModel::StateBytes(DraftNeeds().groups), kDraftState);
  constexpr uint64_t kContext = 1024 / 32 * 2 * kMib;
  constexpr uint64_t kEnough = kFixed + kContext + 40 * kMib + kDraftState;
  const auto both = Drafted({}, {.limit = kEnough}, 1024);
  ASSERT_TRUE(both) << both.error().message;
  EXPECT_EQ(both->weights, 130 * kMib);
  EXPECT_EQ(both->steps, 30 * kMib);
  EXPECT_EQ(both->state, kContext + kDraftState);
  EXPECT_EQ(both->all() + kMemoryBesideModels, kEnough);
  const auto less = Drafted({}, {.limit = kEnough - 1}, 1024);
  ASSERT_FALSE(less);
  EXPECT_EQ(less.error().code, ErrorCode::kResourceExhausted);
  EXPECT_NE(less.error().message.find("30 MiB for weights, 10 MiB for the buffers of a step and 8 "
                                      "MiB for what it has read"),
            std::string::npos)
      << less.error().message;
  EXPECT_FALSE(Drafted({}, {.limit = kEnough, .others = 1}, 1024));
}

TEST(MemoryBudget, ADraftModelNeverCostsContext) {
  // Without it the model has less than its own context already, and nothing to give.
  EXPECT_FALSE(Drafted({}, {.limit = kFixed + 200 * kMib}, 1 << 20));
  // What was asked for counts where the model could have more.
  ServerConfig config;
  config.context = 512;
  EXPECT_TRUE(Drafted(config, {.limit = kFixed + 200 * kMib}, 1 << 20));
}

TEST(MemoryBudget, ADraftModelsStateComesOutOfKvMemoryWhereNothingIsShort) {
  const ServerConfig config;
  const uint64_t enough = kFixed + config.kv_memory_bytes + 40 * kMib;
  const auto both = Drafted(config, {.limit = enough}, 1 << 20);
  ASSERT_TRUE(both) << both.error().message;
  EXPECT_EQ(both->state, config.kv_memory_bytes);
  EXPECT_FALSE(Drafted(config, {.limit = enough - 1}, 1 << 20));
  const auto unlimited = Drafted(config, {}, 1 << 20);
  ASSERT_TRUE(unlimited);
  EXPECT_EQ(unlimited->all(), 160 * kMib + config.kv_memory_bytes);
}

TEST(MemoryBudget, WeightsOfADraftModelThatAreInMemoryNeedNone) {
  model::ModelNeeds shared = DraftNeeds();
  shared.weight_bytes = 0;
  const MemoryBudget budget{.limit = kFixed + 64 * kMib + 10 * kMib + kDraftState};
  EXPECT_TRUE(Drafted({}, budget, 1024, shared));
  EXPECT_FALSE(Drafted({}, budget, 1024));
}

// The engine would leave it out after it was loaded, by the same words.
TEST(MemoryBudget, ADraftModelOfTooLargeAStateIsNotLoaded) {
  ServerConfig config;
  config.kv_memory_bytes = 4 * kDraftState - 1;
  const auto refused = Drafted(config, {.limit = 1024 * kMib}, 256);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("1/4 of the KV memory"), std::string::npos);
  config.kv_memory_bytes = 4 * kDraftState;
  EXPECT_TRUE(Drafted(config, {.limit = 1024 * kMib}, 256));
  // 32 MiB hold 512 tokens, but 384 beside a draft model's state.
  config.kv_memory_bytes = 32 * kMib;
  config.context = 400;
  const auto tight = Drafted(config, {.limit = 1024 * kMib}, 1024);
  ASSERT_FALSE(tight);
  EXPECT_NE(tight.error().message.find("than a sequence of 400 tokens needs"), std::string::npos)
      << tight.error().message;
}

}  // namespace
}  // namespace infe::server

#include "server/models/memory_budget.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace infe::server

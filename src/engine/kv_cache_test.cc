// Books of KV memory: plans, reference counts, and random use against a plain model of what must
// be held.
#include "engine/kv_cache.h"

#include <map>

#include <gtest/gtest.h>

#include "base/random.h"

namespace infe::engine {
namespace {

using model::kBlockPositions;
using model::kNoBlock;
using model::KvGroup;

std::vector<KvGroup> Groups(uint32_t window) {
  std::vector<KvGroup> groups = {
      {.layers = {0}, .window = 0, .layer_bytes = 64, .block_bytes = 64}};
  if (window > 0)
    groups.push_back({.layers = {1}, .window = window, .layer_bytes = 64, .block_bytes = 64});
  return groups;
}

TEST(KvPlan, FillsMemoryAndKeepsOneSequenceWhole) {
  for (const uint32_t window : {0u, 512u}) {
    const auto groups = Groups(window);
    for (const uint32_t context : {600u, 4096u, 32768u}) {
      for (const size_t blocks : {200u, 2000u, 5000u, 100000u}) {
        const KvPlanOptions options{.memory_bytes = blocks * 64,
                                    .context_max = context,
                                    .model_context = 32768,
                                    .batch_sequences = 16,
                                    .batch_rows = 512};
        const auto plan = PlanKv(groups, options);
        size_t one = 0;
        for (const KvGroup& group : groups) one += BlocksOfSequence(group, context, 512) * 64;
        ASSERT_EQ(plan.has_value(), one <= blocks * 64) << context << " " << blocks;
        if (!plan) {
          EXPECT_NE(plan.error().message.find(std::to_string(one)), std::string::npos);
          continue;
        }
        EXPECT_LE(plan->bytes, options.memory_bytes);
        EXPECT_EQ(plan->context_max, context);
        for (size_t g = 0; g < groups.size(); ++g) {
          EXPECT_GE(plan->blocks[g], BlocksOfSequence(groups[g], context, 512));
        }
        if (window == 0) {
          EXPECT_EQ(plan->blocks[0], blocks);
        }
      }
    }
  }
}

TEST(KvPlan, UnaskedContextShrinksToTheMemory) {
  const auto groups = Groups(0);
  const auto plan = PlanKv(groups, {.memory_bytes = 100 * 64, .model_context = 32768});
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->context_max, 2048u);
  EXPECT_FALSE(PlanKv(groups, {.memory_bytes = 3 * 64, .model_context = 32768}).has_value());
}

TEST(BlockPool, CountsReferences) {
  BlockPool pool(2);
  const uint32_t a = *pool.Allocate();
  const uint32_t b = *pool.Allocate();
  EXPECT_NE(a, b);
  EXPECT_EQ(pool.Allocate(), std::nullopt);
  pool.Ref(a);
  EXPECT_EQ(pool.Unref(a), 1u);
  EXPECT_EQ(pool.free(), 0u);
  EXPECT_EQ(pool.Unref(a), 0u);
  EXPECT_EQ(*pool.Allocate(), a);
}

// Random sequences come, grow and go. After every action: no block is held by two sequences unless
// both have the same tokens up to its end, windows are whole, and the books add up.
TEST(KvCache, RandomUseKeepsTheBooks) {
  for (const uint32_t window : {0u, 40u, 64u}) {
    const auto groups = Groups(window);
    KvPlan plan;
    plan.context_max = 640;
    plan.blocks[0] = 60;
    plan.blocks[1] = window > 0 ? 40 : 0;
    KvCache cache(groups, plan, true);
    struct Live {
      std::vector<TokenId> tokens;
      SequenceKv kv;
    };
    std::vector<Live> live;
    uint64_t draw = 0;
    const auto random = [&](uint32_t below) {
      return static_cast<uint32_t>(UniformAt(window + 1, 0, ++draw) * below);
    };
    for (int action = 0; action < 6000; ++action) {
      if (live.size() < 6 && random(3) == 0) {
        Live one;
        const uint32_t size = 2 + random(400);
        // Few first tokens and long common runs: prefixes that branch at all depths.
        const uint32_t family = random(4);
        const uint32_t branch = random(size);
        for (uint32_t i = 0; i < size; ++i) {
          one.tokens.push_back(i < branch ? family * 1000 + i / 50 : random(3) * 7 + i);
        }
        const uint32_t limit = size - 1;
        const auto known = cache.Known("s", one.tokens, limit);
        const uint32_t gained = cache.Attach(one.kv, "s", one.tokens, limit);
        EXPECT_GE(gained, known.positions);
        EXPECT_LE(gained, limit);
        live.push_back(std::move(one));
      } else if (!live.empty()) {
        const uint32_t pick = random(static_cast<uint32_t>(live.size()));
        Live& one = live[pick];
        const auto size = static_cast<uint32_t>(one.tokens.size());
        if (one.kv.computed == size || random(12) == 0) {
          cache.Release(one.kv);
          live.erase(live.begin() + pick);
        } else {
          cache.Attach(one.kv, "s", one.tokens, size - 1);
          const uint32_t to = std::min(size, one.kv.computed + 1 + random(70));
          if (cache.Reserve(one.kv, to)) {
            cache.Commit(one.kv, one.tokens, to);
          } else {
            cache.Release(one.kv);
            live.erase(live.begin() + pick);
          }
        }
      }
      // The books.
      for (uint32_t g = 0; g < groups.size(); ++g) {
        std::map<uint32_t, std::vector<TokenId>> prefix_of_block;
        for (const Live& one : live) {
          for (uint32_t i = 0; i < one.kv.blocks[g].size(); ++i) {
            const uint32_t block = one.kv.blocks[g][i];
            const uint32_t end = (i + 1) * kBlockPositions;
            const bool needed = window == 0 || g == 0 || end + window > one.kv.computed + 1;
            ASSERT_FALSE(needed && block == kNoBlock);
            if (block == kNoBlock) continue;
            std::vector<TokenId> prefix(
                one.tokens.begin(),
                one.tokens.begin() +
                    std::min<ptrdiff_t>(end, static_cast<ptrdiff_t>(one.tokens.size())));
            const auto [it, fresh] = prefix_of_block.emplace(block, prefix);
            if (!fresh) {
              ASSERT_EQ(it->second, prefix) << "a block of two texts";
              ASSERT_LE(end, one.kv.computed) << "a shared block that is not whole";
            }
          }
        }
        ASSERT_EQ(cache.used(g), prefix_of_block.size());
        ASSERT_LE(cache.used(g), cache.total(g));
      }
    }
    for (Live& one : live) cache.Release(one.kv);
    for (uint32_t g = 0; g < groups.size(); ++g) EXPECT_EQ(cache.available(g), cache.total(g));
  }
}

// All memory can be had again after anything was remembered.
TEST(KvCache, RememberedBlocksGiveWay) {
  for (const uint32_t window : {0u, 64u}) {
    const auto groups = Groups(window);
    KvPlan plan;
    plan.blocks[0] = 20;
    plan.blocks[1] = window > 0 ? 20 : 0;
    KvCache cache(groups, plan, true);
    for (uint32_t round = 0; round < 50; ++round) {
      std::vector<TokenId> tokens(600, round);
      SequenceKv kv;
      cache.Attach(kv, std::to_string(round % 3), tokens, 599);
      for (uint32_t to = 100; to <= 600; to += 100) {
        ASSERT_TRUE(cache.Reserve(kv, to));
        cache.Commit(kv, tokens, to);
      }
      cache.Release(kv);
      EXPECT_LE(cache.remembered_blocks(), 20u);
    }
  }
}

}  // namespace
}  // namespace infe::engine

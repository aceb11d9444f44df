// Books of state memory: plans, reference counts, and random use against a plain model of what must
// be held.
#include "engine/state_cache.h"

#include <map>
#include <set>

#include <gtest/gtest.h>

#include "base/random.h"

namespace infe::engine {
namespace {

using model::kBlockPositions;
using model::kNoBlock;
using model::StateGroup;
using model::StateKind;

constexpr size_t kBytes = 64;  // of a block of any group

std::vector<StateGroup> Groups(uint32_t window, bool running = false) {
  std::vector<StateGroup> groups = {{.layers = {0}, .layer_bytes = kBytes, .block_bytes = kBytes}};
  if (window > 0) {
    groups.push_back({.kind = StateKind::kWindow,
                      .layers = {1},
                      .window = window,
                      .layer_bytes = kBytes,
                      .block_bytes = kBytes});
  }
  if (running) {
    groups.push_back(
        {.kind = StateKind::kRunning, .layers = {2}, .layer_bytes = kBytes, .block_bytes = kBytes});
  }
  return groups;
}

TEST(StatePlan, FillsMemoryAndKeepsOneSequenceWhole) {
  for (const uint32_t window : {0u, 512u}) {
    const auto groups = Groups(window);
    for (const uint32_t context : {600u, 4096u, 32768u}) {
      for (const size_t blocks : {200u, 2000u, 5000u, 100000u}) {
        const StatePlanOptions options{.memory_bytes = blocks * 64,
                                       .context_max = context,
                                       .model_context = 32768,
                                       .batch_sequences = 16,
                                       .batch_rows = 512};
        const auto plan = PlanState(groups, options);
        size_t one = 0;
        for (const StateGroup& group : groups) one += BlocksOfSequence(group, context, 512) * 64;
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

TEST(StatePlan, UnaskedContextShrinksToTheMemory) {
  const auto groups = Groups(0);
  const auto plan = PlanState(groups, {.memory_bytes = 100 * 64, .model_context = 32768});
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->context_max, 2048u);
  EXPECT_FALSE(PlanState(groups, {.memory_bytes = 3 * 64, .model_context = 32768}).has_value());
}

TEST(StatePlan, LargeRunningStatesLeaveRoomForOneContext) {
  std::vector<StateGroup> groups = Groups(0, true);
  groups[1].block_bytes = 40 * kBytes;
  for (const size_t blocks : {100u, 112u, 300u, 5000u}) {
    const StatePlanOptions options{.memory_bytes = blocks * kBytes,
                                   .context_max = 1024,
                                   .model_context = 1024,
                                   .batch_sequences = 16,
                                   .batch_rows = 512};
    const auto plan = PlanState(groups, options);
    ASSERT_EQ(plan.has_value(), blocks >= 32 + 2 * 40) << blocks;
    if (!plan) continue;
    EXPECT_LE(plan->bytes, options.memory_bytes);
    EXPECT_GE(plan->blocks[0], 32u);
    EXPECT_GE(plan->blocks[1], 2u);
    if (blocks == 5000) {
      EXPECT_GE(plan->blocks[1], 2u * 16);  // all of the batch
    }
  }
}

TEST(StatePlan, RunningStatesAloneFillTheMemory) {
  std::vector<StateGroup> groups = {Groups(0, true)[1]};
  const auto plan = PlanState(groups, {.memory_bytes = 100 * kBytes, .model_context = 1u << 20});
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->context_max, 1u << 20);  // no text is too long for it
  EXPECT_EQ(plan->blocks[0], 100u);
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

// What a running state is after some tokens.
uint64_t ChainOf(std::span<const TokenId> tokens) {
  uint64_t chain = 1;
  for (const TokenId token : tokens) chain = (chain ^ token) * 0x9E3779B97F4A7C15u;
  return chain;
}

uint64_t& StateIn(const StateCache& cache, uint32_t g, uint32_t block) {
  return *reinterpret_cast<uint64_t*>(cache.view().arena[g] + block * kBytes);
}

// What a model would do: reads `from`, which must be the state of the tokens before, and writes
// `to`.
void RunTo(const StateCache& cache, const HeldState& kv, std::span<const TokenId> tokens,
           uint32_t to) {
  for (uint32_t g = 0; g < cache.groups().size(); ++g) {
    if (cache.groups()[g].kind != StateKind::kRunning) continue;
    ASSERT_EQ(kv.blocks[g].size(), 2u);
    const uint32_t from = kv.blocks[g][model::kRunningFrom];
    ASSERT_EQ(from == kNoBlock, kv.computed == 0);
    ASSERT_NE(from, kv.blocks[g][model::kRunningTo]);
    if (from != kNoBlock) {
      ASSERT_EQ(StateIn(cache, g, from), ChainOf(tokens.first(kv.computed)));
    }
    StateIn(cache, g, kv.blocks[g][model::kRunningTo]) = ChainOf(tokens.first(to));
  }
}

// Random sequences come, grow, are wrong at times and go. After every action: no block is held by
// two sequences unless both have the same tokens up to its end, windows are whole, states are those
// of the tokens before, and the books add up.
void ExpectBooksKept(uint32_t window, bool running) {
  const auto groups = Groups(window, running);
  StatePlan plan;
  plan.context_max = 640;
  plan.blocks[0] = 60;
  plan.blocks[1] = window > 0 ? 40 : 15;
  plan.blocks[2] = 15;
  StateCache cache(groups, plan, true);
  struct Live {
    std::vector<TokenId> tokens;
    HeldState kv;
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
        uint32_t rows =
            std::min({size - one.kv.computed, 1 + random(70), cache.ChunkRowsMax(one.kv)});
        if (random(2) == 0) {  // up to a border, where others can take over
          const uint32_t over = (one.kv.computed + rows) % kBlockPositions;
          if (over < rows) rows -= over;
        }
        const uint32_t to = one.kv.computed + rows;
        if (cache.Reserve(one.kv, to)) {
          RunTo(cache, one.kv, one.tokens, to);
          const uint32_t before = one.kv.computed;
          const bool wrong = random(5) == 0;
          cache.Commit(one.kv, one.tokens, wrong ? to - 1 : to, to);
          ASSERT_EQ(one.kv.computed, wrong ? (running ? before : to - 1) : to);
        } else {
          cache.Release(one.kv);
          live.erase(live.begin() + pick);
        }
      }
    }
    // The books.
    for (uint32_t g = 0; g < groups.size(); ++g) {
      if (groups[g].kind == StateKind::kRunning) {
        std::set<uint32_t> held;
        for (const Live& one : live) held.insert(one.kv.blocks[g].begin(), one.kv.blocks[g].end());
        held.erase(kNoBlock);
        ASSERT_EQ(cache.used(g), held.size());
        continue;
      }
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

TEST(StateCache, RandomUseKeepsTheBooks) {
  for (const uint32_t window : {0u, 40u, 64u}) {
    for (const bool running : {false, true}) {
      SCOPED_TRACE(testing::Message() << "window " << window << " running " << running);
      ExpectBooksKept(window, running);
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

// All memory can be had again after anything was remembered.
TEST(StateCache, RememberedBlocksGiveWay) {
  for (const uint32_t window : {0u, 64u}) {
    const auto groups = Groups(window);
    StatePlan plan;
    plan.blocks[0] = 20;
    plan.blocks[1] = window > 0 ? 20 : 0;
    StateCache cache(groups, plan, true);
    for (uint32_t round = 0; round < 50; ++round) {
      std::vector<TokenId> tokens(600, round);
      HeldState kv;
      cache.Attach(kv, std::to_string(round % 3), tokens, 599);
      for (uint32_t to = 100; to <= 600; to += 100) {
        ASSERT_TRUE(cache.Reserve(kv, to));
        cache.Commit(kv, tokens, to, to);
      }
      cache.Release(kv);
      EXPECT_LE(cache.remembered_blocks(), 20u);
    }
  }
}

// A cache of positions and a running state, with tokens computed up to `size` in steps of 32.
struct Running {
  explicit Running(uint32_t snapshots)
      : groups(Groups(0, true)), cache(groups, Plan(snapshots), true) {}
  static StatePlan Plan(uint32_t snapshots) {
    StatePlan plan;
    plan.blocks[0] = 200;
    plan.blocks[1] = snapshots;
    return plan;
  }
  void Compute(HeldState& kv, std::span<const TokenId> tokens, uint32_t to) {
    const uint32_t reached = std::min<uint32_t>(to, kv.computed + kBlockPositions);
    ASSERT_TRUE(cache.Reserve(kv, reached));
    RunTo(cache, kv, tokens, reached);
    cache.Commit(kv, tokens, reached, reached);
    if (reached < to) Compute(kv, tokens, to);
  }
  // A sequence that computes tokens[0, to), the prompt's being [0, prompt), and ends.
  void Remember(std::span<const TokenId> tokens, uint32_t prompt, uint32_t to) {
    HeldState kv;
    cache.Attach(kv, "s", tokens, prompt - 1);
    Compute(kv, tokens, to);
    cache.Release(kv);
  }
  uint32_t Known(std::span<const TokenId> tokens) {
    return cache.Known("s", tokens, static_cast<uint32_t>(tokens.size())).positions;
  }
  std::vector<StateGroup> groups;
  StateCache cache;
};

std::vector<TokenId> Count(uint32_t size) {
  std::vector<TokenId> tokens(size);
  for (uint32_t i = 0; i < size; ++i) tokens[i] = i;
  return tokens;
}

// Snapshots stay at the prompt's end, every 16 blocks, and where the answer was last.
TEST(StateCache, ARunningStateIsKnownWhereASnapshotStands) {
  Running memory(50);
  const auto tokens = Count(1400);
  memory.Remember(tokens, 700, 1300);
  const auto known = [&](uint32_t shared) { return memory.Known(std::span(tokens).first(shared)); };
  EXPECT_EQ(known(511), 0u);
  EXPECT_EQ(known(512), 512u);
  EXPECT_EQ(known(671), 512u);
  EXPECT_EQ(known(672), 672u);  // 21 whole blocks of the prompt
  EXPECT_EQ(known(1023), 672u);
  EXPECT_EQ(known(1024), 1024u);
  EXPECT_EQ(known(1279), 1024u);
  EXPECT_EQ(known(1300), 1280u);
  EXPECT_EQ(known(1400), 1280u);
}

// Becoming unknown: the least recently used snapshots go first, and a prefix is as long as those
// that are left say.
TEST(StateCache, SnapshotsGiveWayAndPrefixesBecomeShorter) {
  Running memory(5);
  const auto tokens = Count(1100);
  const auto known = [&](uint32_t shared) { return memory.Known(std::span(tokens).first(shared)); };
  memory.Remember(tokens, 700, 1090);
  EXPECT_EQ(known(1023), 672u);
  const std::vector<TokenId> second(200, 7), third(200, 8);
  memory.Remember(second, 151, 200);
  EXPECT_EQ(known(1023), 0u);
  EXPECT_EQ(known(1087), 1024u);
  EXPECT_EQ(known(1090), 1088u);
  EXPECT_EQ(memory.Known(std::span(second).first(150)), 128u);
  EXPECT_EQ(memory.Known(second), 192u);
  memory.Remember(third, 151, 200);
  EXPECT_EQ(known(1090), 0u);
  EXPECT_EQ(memory.Known(third), 192u);
  EXPECT_EQ(memory.cache.available(1), 5u);
}

// Two texts that go on from one snapshot: it stays what it is.
TEST(StateCache, AForkLeavesTheSnapshotAsItWas) {
  Running memory(20);
  auto tokens = Count(300);
  memory.Remember(tokens, 200, 200);
  auto other = tokens;
  for (uint32_t i = 192; i < 300; ++i) other[i] += 1000;
  HeldState a, b;
  EXPECT_EQ(memory.cache.Attach(a, "s", tokens, 299), 192u);
  EXPECT_EQ(memory.cache.Attach(b, "s", other, 299), 192u);
  EXPECT_EQ(a.blocks[1][0], b.blocks[1][0]);
  for (uint32_t to = 193; to <= 300; ++to) {
    memory.Compute(a, tokens, to);
    memory.Compute(b, other, to);
    EXPECT_NE(a.blocks[1][0], b.blocks[1][0]);
  }
  memory.cache.Release(a);
  memory.cache.Release(b);
  EXPECT_EQ(memory.Known(tokens), 288u);
  EXPECT_EQ(memory.Known(other), 288u);
}

}  // namespace
}  // namespace infe::engine

// The contract of docs/batch-invariance.md, end to end: a sequence's logits are the same bits alone
// or in a crowd, however its prefill is cut, with any number of threads, with whole rows of the
// head or some, and when the blocks behind its window are gone.
#include <cmath>
#include <cstring>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "model/model_test_support.h"

namespace infe::model {
namespace {

using Rows = std::vector<std::vector<float>>;

std::vector<TokenId> RandomTokens(uint32_t count, uint32_t vocabulary, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<TokenId> tokens(count);
  for (TokenId& token : tokens) token = random() % vocabulary;
  return tokens;
}

// The first row whose bits differ, or -1.
int FirstDifference(const Rows& a, const Rows& b) {
  if (a.size() != b.size()) return 0;
  for (size_t r = 0; r < a.size(); ++r) {
    if (a[r].size() != b[r].size() ||
        std::memcmp(a[r].data(), b[r].data(), a[r].size() * sizeof(float)) != 0) {
      return static_cast<int>(r);
    }
  }
  return -1;
}

// Feeds `tokens` as sequence 0 in chunks of random size, in steps that it shares with up to
// `others` sequences of random length that come and go. Blocks behind the window of sequence 0 are
// taken out of its table.
Rows FeedInCrowd(Model& model, std::span<const TokenId> tokens, uint32_t others, uint32_t seed) {
  std::mt19937 random(seed);
  const uint32_t length = static_cast<uint32_t>(tokens.size());
  const uint32_t size_max = length > 200 ? 40 : 9;  // long ones take fewer steps
  const uint32_t vocabulary = model.config().vocabulary;
  PlainKv kv(model.kv_groups(), others + 1, length + 64);
  std::vector<uint32_t> position(others + 1, 0);
  for (uint32_t s = 1; s <= others; ++s) position[s] = random() % 2;  // garbage KV: not ours
  const std::vector<TokenId> noise = RandomTokens(4096, vocabulary, seed + 1);
  Rows rows;
  while (position[0] < length) {
    std::vector<BatchItem> items;
    std::vector<uint32_t> sequence_of_item;
    std::vector<std::vector<uint32_t>> tables;  // with holes; spans into them stay
    tables.reserve(kStateGroupsMax);
    uint32_t first_row = 0;
    const uint32_t our_place = random() % (others + 1);
    for (uint32_t i = 0, wanted = 0; i <= others; ++i) {
      const uint32_t s = i == our_place ? 0 : i < our_place ? i + 1 : i;
      BatchItem item;
      item.position = position[s];
      const uint32_t size = 1 + random() % size_max;
      if (s == 0) {
        item.tokens = tokens.subspan(position[0], std::min(size, length - position[0]));
        item.logits_rows = static_cast<uint32_t>(item.tokens.size());
        first_row = wanted;
      } else {
        if (position[s] + size_max >= length + 64) position[s] = item.position = 0;
        if (random() % 4 == 0) continue;  // not in this step
        item.tokens = std::span(noise).subspan(random() % 4000, size);
        item.logits_rows = random() % 2;
      }
      wanted += item.logits_rows;
      kv.Fill(item, s);
      for (size_t g = 0; g < model.kv_groups().size(); ++g) {
        const uint32_t window = model.kv_groups()[g].window;
        if (s != 0 || window == 0) continue;
        std::vector<uint32_t>& table =
            tables.emplace_back(kv.Blocks(s).begin(), kv.Blocks(s).end());
        for (uint32_t b = 0; (b + 1) * kBlockPositions + window <= position[0] + 1; ++b) {
          table[b] = kNoBlock;
        }
        item.blocks[g] = table;
      }
      items.push_back(item);
      sequence_of_item.push_back(s);
    }
    model.Forward({.items = items}, kv.view());
    for (size_t i = 0; i < items.size(); ++i) {
      const uint32_t s = sequence_of_item[i];
      position[s] += static_cast<uint32_t>(items[i].tokens.size());
      if (s != 0) continue;
      for (uint32_t r = 0; r < items[i].logits_rows; ++r) {
        const float* row = model.logits() + (first_row + r) * model.logits_stride();
        rows.emplace_back(row, row + vocabulary);
      }
    }
  }
  return rows;
}

std::vector<kernels::Isa> Isas() {
  std::vector<kernels::Isa> isas;
  for (kernels::Isa isa : {kernels::Isa::kGeneric, kernels::Isa::kAvx2, kernels::Isa::kAvx512Vnni,
                           kernels::Isa::kAmx}) {
    if (kernels::FindKernels(isa) != nullptr) isas.push_back(isa);
  }
  return isas;
}

struct Variant {
  uint32_t threads;
  uint32_t chunk;  // 0: in a crowd
};

// Every variant against one thread in chunks of 64.
void ExpectInvariant(const std::string& path, const LoadOptions& options,
                     const kernels::KernelTable& kernels, uint32_t length,
                     std::span<const Variant> variants) {
  Rows expected;
  for (uint32_t threads : {1u, 2u, 3u}) {
    if (threads > 1 && std::none_of(variants.begin(), variants.end(),
                                    [&](const Variant& v) { return v.threads == threads; })) {
      continue;
    }
    ThreadPool pool(threads);
    auto model = LoadModel(path, pool, options, kernels);
    ASSERT_NE(model, nullptr);
    const auto tokens = RandomTokens(length, model->config().vocabulary, 11);
    PlainKv kv(model->kv_groups(), 1, length);
    if (threads == 1) expected = Feed(*model, kv, 0, tokens, 0, 64);
    for (const Variant& variant : variants) {
      if (variant.threads != threads) continue;
      SCOPED_TRACE(testing::Message() << "threads " << threads << " chunk " << variant.chunk);
      ASSERT_EQ(FirstDifference(variant.chunk == 0 ? FeedInCrowd(*model, tokens, 8, threads)
                                                   : Feed(*model, kv, 0, tokens, 0, variant.chunk),
                                expected),
                -1);
    }
  }
}

// Threads outnumber the cores of a small machine, where each barrier may cost a time slice: the
// wider variants run on some models only.
constexpr Variant kAllVariants[] = {{1, 1}, {1, 7}, {1, 0}, {2, 64},
                                    {2, 1}, {2, 0}, {3, 7}, {3, 0}};
constexpr Variant kSomeVariants[] = {{1, 1}, {1, 7}, {1, 0}, {2, 17}};
constexpr Variant kSlowVariants[] = {{1, 1}, {1, 33}};

TEST(BatchInvariance, TinyModelsOfEveryKind) {
  const std::string folder = TinyModelDir();
  if (folder.empty()) GTEST_SKIP() << "needs python3 with numpy and gguf";
  for (const std::string& name : TinyModelNames()) {
    for (kernels::Isa isa : Isas()) {
      SCOPED_TRACE(name + " " + std::string(Name(isa)));
      std::span<const Variant> variants = kSomeVariants;
      uint32_t length = 90;
      if (name == "llama-mixed" || name == "gemma3-q6_k" || name == "qwen2-heads48") {
        variants = kAllVariants;
      }
      if (isa == kernels::Isa::kGeneric) {
        if (!name.starts_with("gemma3") && name != "qwen2-heads48") continue;
        variants = kSlowVariants;
        length = 50;
      }
      ExpectInvariant(folder + "/" + name + ".gguf", {}, *kernels::FindKernels(isa), length,
                      variants);
      if (testing::Test::HasFailure()) return;
    }
  }
}

// Two threads, a model each, over one set of weights, which outlives the model that loaded it.
TEST(BatchInvariance, ModelsOverTheSameWeightsAreIndependent) {
  const std::string folder = TinyModelDir();
  if (folder.empty()) GTEST_SKIP() << "needs python3 with numpy and gguf";
  ThreadPool pool(2);
  std::unique_ptr<Model> first = LoadModel(folder + "/llama-mixed.gguf", pool);
  ASSERT_NE(first, nullptr);
  const auto tokens = RandomTokens(60, first->config().vocabulary, 5);
  PlainKv kv(first->kv_groups(), 1, 64);
  const Rows alone = Feed(*first, kv, 0, tokens, 0, 7);
  std::unique_ptr<Model> second = first->weights()->NewModel();
  EXPECT_EQ(second->weights(), first->weights());
  Rows rows[2];
  Model* models[] = {first.get(), second.get()};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&, i] {
      PlainKv own(models[i]->kv_groups(), 1, 64);
      for (int round = 0; round < 5; ++round)
        rows[i] = Feed(*models[i], own, 0, tokens, 0, i == 0 ? 7 : 1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(FirstDifference(rows[0], alone), -1);
  EXPECT_EQ(FirstDifference(rows[1], alone), -1);
  first.reset();
  PlainKv own(second->kv_groups(), 1, 64);
  EXPECT_EQ(FirstDifference(Feed(*second, own, 0, tokens, 0, 60), alone), -1);
}

// Long enough for several spans of attention, which are cut and merged differently when there are
// few sequences and when there are many.
TEST(BatchInvariance, LongContextsAreCutAndMergedWithoutMovingABit) {
  const std::string folder = TinyModelDir();
  if (folder.empty()) GTEST_SKIP() << "needs python3 with numpy and gguf";
  if (TestKernels().isa == kernels::Isa::kGeneric) GTEST_SKIP() << "too slow";
  for (const char* name : {"qwen2-heads48", "llama-q4_0", "gemma3-q4_1"}) {
    for (kernels::KvType kv_type : {kernels::KvType::kF16, kernels::KvType::kInt8}) {
      SCOPED_TRACE(name);
      LoadOptions options;
      options.kv_type = kv_type;
      constexpr Variant kVariants[] = {{1, 5}, {1, 0}, {2, 63}, {2, 0}};
      ExpectInvariant(folder + "/" + name + ".gguf", options, TestKernels(), 1100, kVariants);
      if (testing::Test::HasFailure()) return;
    }
  }
}

// The head sums up runs of logits while it makes them: the same bits as from whole rows afterwards,
// whatever the rows beside them want.
TEST(BatchInvariance, SummariesAreThoseOfWholeRows) {
  const std::string folder = TinyModelDir();
  if (folder.empty()) GTEST_SKIP() << "needs python3 with numpy and gguf";
  const kernels::KernelTable& kernels = TestKernels();
  for (const std::string& name : TinyModelNames()) {
    SCOPED_TRACE(name);
    for (uint32_t threads : {1u, 3u}) {
      ThreadPool pool(threads);
      auto model = LoadModel(folder + "/" + name + ".gguf", pool, {}, kernels);
      ASSERT_NE(model, nullptr);
      const uint32_t vocabulary = model->config().vocabulary;
      const auto tokens = RandomTokens(9, vocabulary, 3);
      PlainKv kv(model->kv_groups(), 3, 32);
      std::vector<uint64_t> mask((vocabulary + 63) / 64, 0x5555'0000'ffff'0f0full);
      const std::vector<std::span<const uint64_t>> masks(2, mask);
      const std::vector<TokenId> few = {1, 3, 4};
      std::vector<BatchItem> items(3);
      for (uint32_t i = 0; i < items.size(); ++i) {
        items[i].tokens = std::span(tokens).subspan(3 * i, 3);
        items[i].logits_rows = 2;
        kv.Fill(items[i], i);
      }
      items[0].inverse_temperature = 1 / 0.7f;
      items[1].head_rows = few;
      items[2].inverse_temperature = 0;
      items[2].masks = masks;
      model->Forward({.items = items}, kv.view());
      ASSERT_NE(model->summaries(), nullptr);
      float scratch[kLogitSpan];
      for (const uint32_t row : {0u, 1u, 4u, 5u}) {
        for (uint32_t span = 0; span < LogitSpans(vocabulary); ++span) {
          const uint32_t at = span * kLogitSpan;
          const LogitSummary expected =
              Summarise(kernels,
                        MaskSpan(model->logits() + row * model->logits_stride() + at,
                                 std::min(kLogitSpan, vocabulary - at),
                                 row < 4 ? nullptr : mask.data() + at / 64, scratch),
                        row < 4 ? 1 / 0.7f : 0);
          const LogitSummary& made = model->summaries()[row * LogitSpans(vocabulary) + span];
          EXPECT_EQ(made.max, expected.max);
          EXPECT_EQ(made.weight, expected.weight);
          EXPECT_EQ(row < 4, made.weight > 0);
        }
      }
    }
  }
}

TEST(BatchInvariance, ServedModels) {
  bool any = false;
  for (const char* name : {"smollm2-135m", "gemma-3-270m"}) {
    const std::string path = BigModel(name);
    if (path.empty()) continue;
    any = true;
    SCOPED_TRACE(name);
    constexpr Variant kVariants[] = {{1, 7}, {2, 64}, {2, 1}, {2, 0}, {3, 33}};
    ExpectInvariant(path, {}, TestKernels(), 40, kVariants);
  }
  if (!any) GTEST_SKIP() << "INFE_MODEL_DIR has no models";
}

// Rows without logits, and heads restricted to some tokens, change nothing but what is returned.
TEST(BatchInvariance, WantedRowsAndTokensHaveTheBitsOfTheWhole) {
  const std::string folder = TinyModelDir();
  if (folder.empty()) GTEST_SKIP() << "needs python3 with numpy and gguf";
  ThreadPool pool(2);
  for (const char* name : {"llama-q8_0", "llama-mixed", "gemma3-q6_k", "qwen3-f32"}) {
    SCOPED_TRACE(name);
    auto model = LoadModel(folder + "/" + name + ".gguf", pool);
    ASSERT_NE(model, nullptr);
    const uint32_t vocabulary = model->config().vocabulary;
    const auto tokens = RandomTokens(30, vocabulary, 3);
    PlainKv kv(model->kv_groups(), 4, 32);
    const Rows whole = Feed(*model, kv, 0, tokens, 0, 30);

    const std::vector<TokenId> ascending = {0, 5, 31, 32, 200, vocabulary - 1};
    const std::vector<TokenId> shuffled = {200, 5, vocabulary - 1, 0, 32, 31};
    // Item 0 wants nothing, 1 three rows of everything, 2 two rows of some tokens, 3 one row of
    // all.
    BatchItem items[4];
    for (uint32_t s = 0; s < 4; ++s) {
      items[s].tokens = tokens;
      kv.Fill(items[s], s);
    }
    items[1].logits_rows = 3;
    items[2].logits_rows = 2;
    items[3].logits_rows = 1;
    for (const auto& chosen : {ascending, shuffled}) {
      items[2].head_rows = chosen;
      for (const bool last_is_whole : {true, false}) {
        items[3].head_rows =
            last_is_whole ? std::span<const TokenId>() : std::span<const TokenId>(ascending);
        model->Forward({.items = items}, kv.view());
        const auto row = [&](size_t r) { return model->logits() + r * model->logits_stride(); };
        for (size_t r = 0; r < 6; ++r) {
          const size_t position = r < 3 ? 27 + r : r < 5 ? 25 + r : 29;
          const bool some = r == 3 || r == 4 || (r == 5 && !last_is_whole);
          for (uint32_t t = 0; t < vocabulary; ++t) {
            const bool computed =
                !some || std::find(ascending.begin(), ascending.end(), t) != ascending.end();
            ASSERT_EQ(row(r)[t], computed ? whole[position][t] : -INFINITY) << r << " " << t;
          }
        }
      }
    }
    // No logits at all, then the next token alone.
    items[0].tokens = std::span(tokens).first(29);
    model->Forward({.items = {items, 1}}, kv.view());
    items[0].tokens = std::span(tokens).last(1);
    items[0].position = 29;
    items[0].logits_rows = 1;
    model->Forward({.items = {items, 1}}, kv.view());
    EXPECT_EQ(std::memcmp(model->logits(), whole[29].data(), vocabulary * sizeof(float)), 0);
  }
}

}  // namespace
}  // namespace infe::model

// The engine over real models: what the fake one cannot show. Runs where INFE_MODEL_DIR holds them.
#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/json.h"
#include "engine/engine.h"
#include "engine/loader.h"
#include "engine/test_support.h"
#include "engine/token_trie.h"
#include "grammar/grammar.h"
#include "kernels/table.h"

namespace infe::engine {
namespace {

class RealModel : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const char* dir = std::getenv("INFE_MODEL_DIR");
    if (dir == nullptr) GTEST_SKIP() << "INFE_MODEL_DIR is not set";
    const auto path = std::filesystem::path(dir) / (std::string(GetParam()) + ".gguf");
    if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
    model_path = path.string();
    Load({});
  }

  void Load(const LoadOptions& options) {
    auto file = model::GgufFile::Open(model_path);
    ASSERT_TRUE(file.has_value()) << file.error().message;
    auto loaded = LoadModel(*file, pool, kernels::SelectKernels(), options);
    ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
    model = std::move(*loaded);
  }

  std::vector<std::vector<TokenId>> Run(const EngineOptions& changes, bool together) {
    EngineOptions options = changes;
    options.context_max = 1024;
    options.kv_memory_bytes = size_t{400} << 20;
    options.vocabulary = static_cast<uint32_t>(model.tokenizer->size());
    auto engine = Engine::Start(*model.model, options);
    INFE_CHECK(engine.has_value());
    const std::string prefix =
        "A list of colours: red, green, blue, red, green, blue. Write the same list again, and "
        "once "
        "more, and then say what is missing from it. The list: ";
    std::vector<std::shared_ptr<RecordingSink>> sinks;
    RequestId id = 0;
    for (const char* tail : {"red, green,", "one, two, three, one, two,", "", "{\"colour\": \""}) {
      EngineRequest request = MakeRequest(model.tokenizer->Encode(prefix + tail), 24, Sampled(id));
      request.sampling.temperature = id % 2 == 0 ? 0 : 0.8f;
      request.id = ++id;
      request.end_tokens = model.end_tokens;
      request.sink = sinks.emplace_back(std::make_shared<RecordingSink>());
      INFE_CHECK((*engine)->Submit(std::move(request)).has_value());
      if (!together) sinks.back()->Wait();
    }
    std::vector<std::vector<TokenId>> texts;
    for (const auto& sink : sinks) {
      sink->Wait();
      texts.push_back(sink->tokens);
    }
    first_cached_tokens = sinks[0]->last.timings.cached_tokens;
    return texts;
  }

  ThreadPool pool{2};
  std::string model_path;
  LoadedModel model;
  uint32_t first_cached_tokens = 0;  // of the first request of Run
};

TEST_P(RealModel, TextIsTheSameAloneTogetherCachedAndDrafted) {
  const auto plain = Run({.prefix_cache = false, .speculation = false}, false);
  for (const auto& text : plain) EXPECT_FALSE(text.empty());
  EXPECT_EQ(Run({}, true), plain);
  EXPECT_EQ(Run({}, false), plain);
  EXPECT_EQ(Run({.batch_sequences_max = 2, .step_budget_ms = 1, .prefix_cache = false}, true),
            plain);
  EXPECT_EQ(Run({.pool = &pool}, true), plain);
}

TEST_P(RealModel, BlocksOfAnEarlierRunGiveTheSameText) {
  if (model.model->kv_groups().size() > 1) GTEST_SKIP() << "windowed layers are not kept on disk";
  const std::string file =
      testing::TempDir() + "infe-" + GetParam() + "-" + std::to_string(getpid()) + ".kv";
  for (const kernels::KvType type : {kernels::KvType::kF16, kernels::KvType::kInt8}) {
    LoadOptions load;
    load.kv_type = type;
    Load(load);
    std::string notices;
    const EngineOptions options{
        .prefix_file = {.path = file,
                        .bytes_max = uint64_t{64} << 20,
                        .model_digest = "d",
                        .kv_type = type == kernels::KvType::kF16 ? "f16" : "int8",
                        .isa = "native"},
        .notice = [&](const std::string& line) { notices += line + "\n"; }};
    const auto texts = Run(options, false);
    EXPECT_EQ(first_cached_tokens, 0u);
    EXPECT_EQ(Run(options, false), texts);
    EXPECT_GE(first_cached_tokens, model::kBlockPositions) << notices;
  }
  std::filesystem::remove(file);
}

// A schema's text is whole JSON at every limit that leaves room for one, and the same with drafts.
TEST_P(RealModel, SchemaIsClosedBeforeTheLimitAndDraftsChangeNothing) {
  const auto schema = ParseJson(
      R"({"type":"object","properties":{"name":{"type":"string"},"colour":{"enum":["red","green"]},)"
      R"("sizes":{"type":"array","items":{"type":"integer"}}},"required":["name","colour","sizes"],)"
      R"("additionalProperties":false})");
  ASSERT_TRUE(schema.has_value());
  const auto grammar = grammar::CompileJsonSchema(*schema);
  ASSERT_TRUE(grammar.has_value()) << grammar.error().message;
  const auto trie = BuildTokenTrie(*model.tokenizer, model.end_tokens);
  ASSERT_TRUE(trie.has_value());
  std::vector<std::string> texts[2];
  for (const bool speculation : {false, true}) {
    EngineOptions options;
    options.context_max = 1024;
    options.kv_memory_bytes = size_t{400} << 20;
    options.vocabulary = static_cast<uint32_t>(model.tokenizer->size());
    options.speculation = speculation;
    options.tokenize = [this](std::string_view text) {
      return model.tokenizer->Encode(text, {.add_special = tokenizer::AddSpecial::kNever});
    };
    auto engine = Engine::Start(*model.model, options);
    ASSERT_TRUE(engine.has_value());
    for (const uint32_t max_tokens : {30u, 45u, 90u}) {
      EngineRequest request = MakeRequest(
          model.tokenizer->Encode("Describe a shirt in JSON with name, colour and sizes.\n"),
          max_tokens, Sampled(max_tokens));
      request.id = max_tokens;
      request.end_tokens = model.end_tokens;
      request.matcher = grammar::NewMatcher(*grammar, *trie);
      const auto sink = std::make_shared<RecordingSink>();
      request.sink = sink;
      ASSERT_TRUE((*engine)->Submit(std::move(request)));
      sink->Wait();
      EXPECT_NE(sink->last.reason, FinishReason::kError) << sink->last.error.message;
      const std::string text = model.tokenizer->Decode(sink->tokens);
      EXPECT_TRUE(ParseJson(text).has_value()) << text;
      texts[speculation].push_back(text);
    }
    const EngineStats stats = (*engine)->stats();
    RecordProperty(speculation ? "steps_drafted" : "steps", static_cast<int>(stats.steps));
    RecordProperty(speculation ? "overhead_us_drafted" : "overhead_us",
                   static_cast<int>(1000 * stats.overhead_ms / static_cast<double>(stats.steps)));
  }
  EXPECT_EQ(texts[0], texts[1]);
}

INSTANTIATE_TEST_SUITE_P(Models, RealModel,
                         testing::Values("smollm2-135m", "infe-pulse", "gemma-3-270m"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace infe::engine

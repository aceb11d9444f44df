// The small nouns of api/: ids, ignored parameters, models and prompt views.
#include <algorithm>
#include <array>
#include <set>

#include <gtest/gtest.h>

#include "api/ids.h"
#include "api/openai/ignored_params.h"
#include "api/openai/model_object.h"
#include "api/openai/prompt_view.h"
#include "base/json.h"

namespace infe::api {
namespace {

TEST(Ids, AreUniqueAlphanumericAndPrefixed) {
  const auto check = [](const std::string& id, std::string_view prefix) {
    ASSERT_EQ(id.substr(0, prefix.size()), prefix);
    EXPECT_EQ(id.size(), prefix.size() + 24);
    EXPECT_TRUE(std::all_of(id.begin() + static_cast<std::ptrdiff_t>(prefix.size()), id.end(),
                            [](unsigned char c) { return std::isalnum(c) != 0; }))
        << id;
  };
  check(NewChatCompletionId(), "chatcmpl-");
  check(NewCompletionId(), "cmpl-");
  check(NewCallId(), "call_");
  check(NewRequestId(), "req_");
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(NewCallId());
  EXPECT_EQ(seen.size(), 1000u);
}

TEST(Ids, UseEveryCharacterAboutEquallyOften) {
  std::array<int, 128> count{};
  for (int i = 0; i < 5000; ++i)
    for (const char c : NewCallId().substr(5)) ++count[static_cast<size_t>(c)];
  // 120,000 draws over 62 characters: 1935 each, standard deviation 44. 400 is nine of them.
  for (char c = '0'; c <= 'z'; ++c) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) continue;
    EXPECT_NEAR(count[static_cast<size_t>(c)], 1935, 400) << c;
  }
}

TEST(IgnoredParams, CannotWriteHeaders) {
  IgnoredParams ignored;
  ignored.Add("a\r\nset-cookie: x=1");
  ignored.Add("tools[12].cache_control");
  ignored.Add("tools[13].cache_control");
  ignored.Add("x[abc]");
  ignored.Add("\xe6\x97\xa5");
  ignored.Add(std::string(100, 'y'));
  EXPECT_EQ(ignored.Header(),
            "aset-cookiex1, tools[].cache_control, x[abc], _, " + std::string(64, 'y'));
  for (const std::string& name : ignored.names()) EXPECT_LE(name.size(), 64u);
  for (int i = 0; i < 100; ++i) ignored.Add("n" + std::to_string(i));
  EXPECT_EQ(ignored.names().size(), 32u);
}

TEST(ModelObject, WritesWhatIsKnown) {
  const ModelObject plain{.id = "infe-pulse", .created = 5};
  EXPECT_EQ(WriteModel(plain),
            R"({"id":"infe-pulse","object":"model","created":5,"owned_by":"infe"})");
  ModelObject full = plain;
  full.context_length = 8192;
  full.quantization = "Q4_1";
  full.file_digest = "sha256:00";
  full.template_hash = "t";
  full.tool_format = "hermes";
  full.file_bytes = 98362432;
  full.sampling_defaults = {.temperature = 0.7, .top_k = 20};
  const std::vector<ModelObject> models{plain, full};
  const auto json = ParseJson(WriteModelList(models));
  ASSERT_TRUE(json.has_value());
  EXPECT_EQ(json->find("object")->as_string(), "list");
  ASSERT_EQ(json->find("data")->array().size(), 2u);
  const Json& second = json->find("data")->array()[1];
  EXPECT_EQ(second.find("context_length")->as_int64(), 8192);
  EXPECT_EQ(second.find("quantization")->as_string(), "Q4_1");
  EXPECT_EQ(second.find("file_bytes")->as_int64(), 98362432);
  EXPECT_EQ(second.find("tool_format")->as_string(), "hermes");
  EXPECT_EQ(second.find("sampling_defaults")->Dump(), R"({"temperature":0.7,"top_k":20})");
  EXPECT_EQ(WriteModelList({}), R"({"object":"list","data":[]})");
}

TEST(PromptView, RenderAndCountAgree) {
  const std::vector<uint32_t> tokens{1, 2, 4294967295};
  const auto json = ParseJson(
      WriteRender({.model = "m", .prompt = "a\n\"", .token_ids = tokens, .fingerprint = "f"}));
  ASSERT_TRUE(json.has_value());
  EXPECT_EQ(json->find("object")->as_string(), "chat.completion.render");
  EXPECT_EQ(json->find("prompt")->as_string(), "a\n\"");
  EXPECT_EQ(json->find("token_ids")->Dump(), "[1,2,4294967295]");
  EXPECT_EQ(json->find("input_tokens")->as_int64(), 3);
  EXPECT_EQ(json->find("render_fingerprint")->as_string(), "f");
  EXPECT_EQ(WriteInputTokens("m", 3),
            R"({"object":"chat.completion.input_tokens","model":"m","input_tokens":3})");
}

}  // namespace
}  // namespace infe::api

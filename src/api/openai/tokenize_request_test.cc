#include "api/openai/tokenize_request.h"

#include <gtest/gtest.h>

#include "api/openai/test_bodies.h"

namespace infe::api {
namespace {

TokenizeRequest Tokenize(std::string_view body) {
  auto parsed = ParseTokenizeRequest(body, {});
  if (parsed) return *std::move(parsed);
  ADD_FAILURE() << WriteError(parsed.error());
  return {};
}

TEST(TokenizeRequest, ATextOrAConversation) {
  const TokenizeRequest text = Tokenize(R"({"model":"m","prompt":"a b"})");
  EXPECT_EQ(text.prompt, "a b");
  EXPECT_TRUE(text.add_special);
  EXPECT_FALSE(text.token_texts);
  EXPECT_FALSE(text.chat);
  const TokenizeRequest chat =
      Tokenize(R"({"messages":[{"role":"user","content":"hi"}],"add_generation_prompt":false,)"
               R"("add_special_tokens":false,"return_token_strs":true})");
  ASSERT_TRUE(chat.chat);
  EXPECT_EQ(chat.model, "");
  EXPECT_EQ(chat.chat->messages[0].Text(), "hi");
  EXPECT_EQ(chat.chat->turn, Turn::kNone);
  EXPECT_TRUE(chat.token_texts);
  EXPECT_TRUE(chat.chat->ignored.empty()) << chat.chat->ignored.Header();
}

TEST(TokenizeRequest, BothOrNeitherAreRefused) {
  const auto refused = [](std::string_view body, std::string_view param, std::string_view code) {
    const auto parsed = ParseTokenizeRequest(body, {});
    ASSERT_FALSE(parsed) << body;
    ExpectError(parsed.error(), 400, param, code);
  };
  refused(R"({"model":"m"})", "prompt", "missing_required_parameter");
  refused(R"({"prompt":"a","messages":[]})", "messages", "invalid_parameter_combination");
  refused(R"({"prompt":7})", "prompt", "invalid_type");
  refused(R"({"messages":[]})", "messages", "empty_array");
  refused(R"({"prompt":"a","return_token_strs":1})", "return_token_strs", "invalid_type");
}

TEST(DetokenizeRequest, TokensAreIds) {
  const auto parsed = ParseDetokenizeRequest(R"({"model":"m","tokens":[0,7]})", {});
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->tokens, (std::vector<int64_t>{0, 7}));
  for (const auto& [body, param, code] :
       {std::tuple{R"({})", "tokens", "missing_required_parameter"},
        {R"({"tokens":"a"})", "tokens", "invalid_type"},
        {R"({"tokens":[1,-1]})", "tokens[1]", "integer_below_min_value"}}) {
    const auto refused = ParseDetokenizeRequest(body, {});
    ASSERT_FALSE(refused);
    ExpectError(refused.error(), 400, param, code);
  }
}

TEST(TokenizedText, IsWrittenInTheShapeOfItsOrigin) {
  const std::vector<uint32_t> tokens{1, 20};
  EXPECT_EQ(WriteTokenized({.tokens = tokens, .context_max = 9}),
            R"({"count":2,"max_model_len":9,"tokens":[1,20],"token_strs":null})");
  EXPECT_EQ(WriteTokenized({.tokens = tokens, .context_max = 9, .token_texts = {{"a", "\""}}}),
            R"({"count":2,"max_model_len":9,"tokens":[1,20],"token_strs":["a","\""]})");
  EXPECT_EQ(WriteDetokenized("a\n"), R"({"prompt":"a\n"})");
}

}  // namespace
}  // namespace infe::api

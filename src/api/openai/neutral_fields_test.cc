#include "api/openai/neutral_fields.h"

#include <gtest/gtest.h>

#include "api/openai/chat_completion_request.h"
#include "api/openai/completion_request.h"

namespace infe::api {
namespace {

// As vllm-router 0.1.17 and sglang-router 0.3.2 send a chat of which the client wrote the first
// two.
constexpr std::string_view kRouted = R"({"model":"m","messages":[{"role":"user","content":"hi"}],
    "stream":false,"logprobs":false,"no_stop_trim":false,"ignore_eos":false,
    "continue_final_message":false,"skip_special_tokens":true,"separate_reasoning":true,
    "stream_reasoning":true,"return_hidden_states":false,"include_reasoning":true})";

TEST(NeutralFields, WhatARouterAddsIsNeitherListedNorRefused) {
  for (const bool strict : {false, true}) {
    const auto request = ParseChatCompletionRequest(kRouted, {.strict_params = strict});
    ASSERT_TRUE(request) << request.error().message;
    EXPECT_TRUE(request->ignored.empty()) << request->ignored.Header();
  }
  const auto text = ParseCompletionRequest(
      R"({"model":"m","prompt":"hi","stream":false,"echo":false,"no_stop_trim":false,
          "ignore_eos":false,"skip_special_tokens":true,"return_hidden_states":false})",
      {.strict_params = true});
  EXPECT_TRUE(text) << text.error().message;
}

TEST(NeutralFields, AnotherValueOrKindIsAFieldLikeEveryOther) {
  EXPECT_TRUE(IsNeutral("return_hidden_states", *ParseJson("false")));
  EXPECT_FALSE(IsNeutral("return_hidden_states", *ParseJson("true")));
  EXPECT_FALSE(IsNeutral("return_hidden_states", *ParseJson("0")));
  EXPECT_FALSE(IsNeutral("separate_reasoning", *ParseJson("false")));
  EXPECT_FALSE(IsNeutral("return_hidden_state", *ParseJson("false")));
  const auto request = ParseChatCompletionRequest(
      R"({"model":"m","messages":[{"role":"user","content":"hi"}],"return_hidden_states":true})",
      {.strict_params = true});
  ASSERT_FALSE(request);
  EXPECT_EQ(request.error().param, "return_hidden_states");
}

// Deeper, the same name is somebody else's.
TEST(NeutralFields, OnlyTheBodyItselfHasThem) {
  const auto request = ParseChatCompletionRequest(
      R"({"model":"m","messages":[{"role":"user","content":"hi","return_hidden_states":false}]})",
      {.strict_params = true});
  EXPECT_FALSE(request);
}

}  // namespace
}  // namespace infe::api

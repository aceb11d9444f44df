#include "server/handlers/render_chat.h"

#include <gtest/gtest.h>

#include "answer/test_support.h"

namespace infe::server {
namespace {

TEST(RenderChat, IsWhatAServerWouldGiveItsModel) {
  const answer::ModelText model = answer::TestModelText();
  const auto prompt =
      RenderChat(model,
                 R"({"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":null,
          "tool_calls":[{"id":"c","type":"function","function":{"name":"f",
          "arguments":"{\"a\": 1}"}}]},{"role":"tool","tool_call_id":"c","content":"ok"}],
          "tools":[{"type":"function","function":{"name":"f"}}]})",
                 {});
  ASSERT_TRUE(prompt) << prompt.error().message;
  // The header of the model's turn, and arguments encoded once.
  EXPECT_TRUE(prompt->ends_with("<|im_start|>assistant\n")) << *prompt;
  EXPECT_NE(prompt->find(R"("arguments": {"a": 1}})"), std::string::npos) << *prompt;
}

TEST(RenderChat, RefusesWhatTheApiRefuses) {
  const answer::ModelText model = answer::TestModelText();
  for (const char* body : {"[]", "{", R"({"messages":[]})", R"({"messages":[{"role":"x"}]})"})
    EXPECT_FALSE(RenderChat(model, body, {})) << body;
}

}  // namespace
}  // namespace infe::server

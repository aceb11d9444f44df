// Bodies as deep as they come, on a small stack: what recurses over a request's JSON is bounded by
// the depth that its parser takes.
#include <string>

#include "api/anthropic/messages_request.h"
#include "api/openai/completion_request.h"
#include "api/openai/test_bodies.h"
#include "base/small_stack.h"

namespace infe::api {
namespace {

std::string Repeated(std::string_view part, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += part;
  return out;
}

TEST(ApiRecursionTest, DeepBodiesFitASmallStack) {
  RunOnSmallStack([] {
    for (const size_t depth : {25, 31, 49, 50, 99, 100, 5000, 500'000}) {
      const std::string object = Repeated(R"({"items":)", depth) + "{}" + Repeated("}", depth);
      const std::string array = Repeated("[", depth) + Repeated("]", depth);
      const std::string either = Repeated(R"({"anyOf":[)", depth) + Repeated("]}", depth);
      for (const std::string& deep : {object, array, either}) {
        const std::string function =
            R"({"type":"function","function":{"name":"f","parameters":)" + deep + "}}";
        for (
            const std::string& body : {
                deep,
                ChatBody(R"("unknown":)" + deep),
                ChatBody(R"("metadata":)" + deep),
                ChatBody(R"("logit_bias":)" + deep),
                ChatBody(R"("response_format":)" + deep),
                ChatBody(
                    R"("response_format":{"type":"json_schema","json_schema":{"name":"n","schema":)" +
                    deep + "}}"),
                ChatBody(R"("structured_outputs":{"json":)" + deep + "}"),
                ChatBody(R"("structured_outputs":{"json":)" + Json(deep).Dump() + "}"),
                ChatBody(R"("tools":[)" + function + "]"),
                ChatBody(R"("tools":)" + deep),
                ChatBody(R"("tool_choice":)" + deep),
                ChatBodyOf(deep),
                ChatBodyOf(R"({"role":"user","content":)" + deep + "}"),
                ChatBodyOf(R"({"role":"assistant","content":"a","tool_calls":)" + deep + "}"),
            })
          (void)ParseChatCompletionRequest(body, {});
        const std::string head = R"({"model":"m","max_tokens":1,"messages":[{"role":"user",)";
        const std::string blocks =
            Repeated(R"([{"type":"tool_result","tool_use_id":"a","content":)", depth) + "[]" +
            Repeated("}]", depth);
        for (const std::string& content : {deep, blocks})
          (void)anthropic::ParseMessagesRequest(head + R"("content":)" + content + "}]}");
        (void)anthropic::ParseMessagesRequest(head + R"("content":"a"}],"tools":[{"name":"f",)" +
                                              R"("input_schema":)" + deep + "}]}");
        (void)ParseCompletionRequest(R"({"model":"m","prompt":)" + deep + "}", {});
      }
    }
  });
}

}  // namespace
}  // namespace infe::api

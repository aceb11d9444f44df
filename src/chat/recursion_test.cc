// What calls itself over a conversation (the template's interpreter, JSON), driven from this folder
// as deep as input can, on a small stack. tools/recursion lists them.
#include <string>

#include <gtest/gtest.h>

#include "base/json.h"
#include "base/small_stack.h"
#include "chat/output_parser.h"
#include "chat/prompt_renderer.h"
#include "chat/spellings/spelling.h"
#include "chat/tool_format.h"

namespace infe::chat {
namespace {

std::string Repeated(std::string_view part, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += part;
  return out;
}

// The longest templates' ways to arguments: as objects and as text.
constexpr std::string_view kWithCalls =
    "{% for m in messages %}{{ m.content }}{% for c in m.tool_calls %}{{ "
    "c.function.arguments|tojson "
    "}}{% for k, v in c.function.arguments.items() %}{{ k }}{{ v }}{% endfor %}{% endfor %}{% "
    "endfor "
    "%}";

TEST(ChatRecursionTest, DeepArgumentsAndAnswersFitASmallStack) {
  RunOnSmallStack([] {
    OutputParserOptions options;
    options.tools = HermesFormat();
    options.tool_names = {"f"};
    for (const size_t depth : {40, 49, 50, 5000, 100'000}) {
      const std::string deep = Repeated(R"({"a":[)", depth) + Repeated("]}", depth);
      (void)ParseOutput(options, R"({"name": "f", "arguments": )" + deep + "}");
      (void)ParseOutput(options, "<tool_call>\n{\"name\": \"f\", \"arguments\": " + deep);
      ToolFormat literal = HermesFormat();
      literal.kind = ToolFormat::Kind::kLiteral;
      literal.notation = {.open = "(",
                          .key_end = "=",
                          .text_begin = "'",
                          .text_end = "'",
                          .close = ")",
                          .inside = ArgumentNotation::Inside::kSame};
      (void)SpellingOf(literal.kind).CallText(literal, {"call_1", "f", deep});
      (void)ArgumentTypes(
          {{.name = "f",
            .description = {},
            .parameters = *ParseJson(R"({"properties":{"a":{"$ref":"#/properties/a"}}})"),
            .strict = false}});
      for (const std::string_view source : {kWithCalls, std::string_view()}) {
        const auto renderer = PromptRenderer::Create(source, {});
        ASSERT_TRUE(renderer) << renderer.error().message;
        PromptRequest request;
        request.messages.resize(2);
        request.messages[0].content = "Hello";
        request.messages[1].role = Role::kAssistant;
        request.messages[1].tool_calls.push_back({"call_1", "f", deep});
        request.tools.push_back(
            {.name = "f",
             .description = {},
             .parameters =
                 *ParseJson(Repeated(R"({"a":)", 99) + "1" + Repeated("}", 99), {.depth = 100})});
        (void)(*renderer)->Render(request);
      }
    }
  });
}

}  // namespace
}  // namespace infe::chat

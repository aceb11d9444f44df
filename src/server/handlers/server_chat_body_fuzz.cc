// Any bytes as the body of a chat: reading it, compiling its format and each of its tools, and a
// few masks of each stay within their bounds of time and memory, and lead into no dead end.
#include <optional>
#include <string_view>

#include "api/openai/chat_completion_request.h"
#include "base/check.h"
#include "grammar/fuzz_walk.h"

namespace {

using namespace infe;           // NOLINT: a program of one file
using namespace infe::grammar;  // NOLINT

constexpr size_t kMasks = 8;  // a body has up to 128 tools

std::optional<Result<GrammarPtr>> CompileFormat(const api::OutputFormat& format) {
  SchemaOptions options;
  options.strictness = format.strict ? Strictness::kStrict : Strictness::kNamed;
  switch (format.kind) {
    case api::OutputFormat::Kind::kText:
      return std::nullopt;
    case api::OutputFormat::Kind::kJsonObject:
      return CompileJsonObject();
    case api::OutputFormat::Kind::kJsonSchema:
      return CompileJsonSchema(format.schema, options);
    case api::OutputFormat::Kind::kRegex:
      return CompileRegex(format.text);
    case api::OutputFormat::Kind::kChoice:
      return CompileChoice(format.choices);
    case api::OutputFormat::Kind::kGrammar:
      return CompileGbnf(format.text);
  }
  return std::nullopt;
}

std::optional<Result<GrammarPtr>> CompileTool(const api::Tool& tool) {
  SchemaOptions options;
  options.strictness = tool.strict ? Strictness::kStrict : Strictness::kNamed;
  switch (tool.kind) {
    case api::Tool::Kind::kFunction:
      if (tool.parameters.is_null()) return std::nullopt;
      return CompileJsonSchema(tool.parameters, options);
    case api::Tool::Kind::kCustom:
      break;
  }
  switch (tool.input_syntax) {
    case api::Tool::InputSyntax::kText:
      return std::nullopt;
    case api::Tool::InputSyntax::kLark:
      return CompileLark(tool.input_grammar);
    case api::Tool::InputSyntax::kRegex:
      return CompileRegex(tool.input_grammar);
  }
  return std::nullopt;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  FuzzCost cost("a chat body", body);
  const auto request = api::ParseChatCompletionRequest(body, {});
  cost.Check(500, 200);
  if (!request) return 0;
  const auto walk = [&](const std::optional<Result<GrammarPtr>>& grammar) {
    cost.Check(kFuzzCompileMs, kFuzzCompileMegabytes);
    if (!grammar) return;
    if (*grammar) return WalkMasks(**grammar, body, kMasks, cost);
    INFE_CHECK(!grammar->error().message.empty() && grammar->error().message.size() < 4096);
  };
  walk(CompileFormat(request->format));
  for (const api::Tool& tool : request->tool_use.tools) walk(CompileTool(tool));
  return 0;
}

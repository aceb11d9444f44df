// Any text as a model's answer in every spelling, in one piece and cut in two: the same events, in
// order. What a reader makes JSON of is JSON, when it says that the call is complete.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "base/json.h"
#include "base/utf8.h"
#include "chat/output_parser.h"

namespace {

std::string Flat(const infe::chat::OutputParserOptions& options, std::string_view text,
                 size_t cut) {
  infe::chat::OutputParser parser(options);
  std::string out;
  int last = -1;
  const auto add = [&](const std::vector<infe::chat::OutputEvent>& events) {
    for (const auto& event : events) {
      const int kind = static_cast<int>(event.kind);
      if (kind != last || event.kind == infe::chat::OutputEvent::Kind::kCallBegin)
        out += "\x01" + std::to_string(kind) + (event.complete ? "+" : "-");
      last = kind;
      out += event.text;
    }
  };
  add(parser.Feed(text.substr(0, cut)));
  add(parser.Feed(text.substr(cut)));
  add(parser.Finish());
  return out;
}

using infe::chat::ArgumentNotation;
using infe::chat::ToolFormat;

ToolFormat Named() {
  ToolFormat format = infe::chat::HermesFormat();
  format.kind = ToolFormat::Kind::kNamed;
  format.call_begin = "<tool_call>";
  format.before_name.clear();
  format.between = "<args>";
  return format;
}

ToolFormat Tagged(std::string_view key_end) {
  ToolFormat format = infe::chat::HermesFormat();
  format.kind = ToolFormat::Kind::kTagged;
  format.before_name = "<function=";
  format.between = ">\n";
  format.after_arguments = "\n</function>";
  format.notation.key_begin = "<parameter=";
  format.notation.key_end = ">\n";
  format.notation.other_key_end = key_end;
  format.notation.value_end = "\n</parameter>";
  format.triggers = {"<tool_call>", "<function="};
  return format;
}

ToolFormat Literal(ArgumentNotation notation, std::string before_name) {
  ToolFormat format = infe::chat::HermesFormat();
  format.kind = ToolFormat::Kind::kLiteral;
  format.before_name = std::move(before_name);
  format.notation = std::move(notation);
  return format;
}

ToolFormat FormatOf(uint8_t choice) {
  switch (choice % 8) {
    case 0:
    case 1:
      return infe::chat::HermesFormat();
    case 2:
      return Named();
    case 3:
      return Tagged(">\n");
    case 4:
      return Tagged(" json>");
    case 5:
      return Literal(
          {.open = "{", .key_end = ":", .text_begin = "<|q|>", .text_end = "<|q|>", .close = "}"},
          "call:");
    default:
      return Literal(
          {.open = "(", .key_end = "=", .text_begin = "'", .text_end = "'", .close = ")"}, "");
  }
}

void CheckCalls(const infe::chat::OutputParserOptions& options, std::string_view text) {
  const bool is_text = infe::IsValidUtf8(text) && text.find("\\u") == std::string_view::npos;
  if (!options.tools->is_notated() || !is_text) return;
  for (const auto& call : infe::chat::ParseOutput(options, text).calls)
    if (call.complete &&
        !infe::ParseJson(call.arguments, {.depth = 256, .allow_duplicate_keys = true}))
      std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  infe::chat::OutputParserOptions options;
  if ((data[0] & 1) != 0) {
    options.tools = (data[0] & 2) != 0 ? Named() : FormatOf(data[0] >> 4);
    options.tool_names = {"f", "add"};
  }
  options.reasoning = static_cast<infe::chat::ReasoningMode>((data[0] >> 2) % 3);
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const size_t cut = text.empty() ? 0 : data[1] * text.size() / 256;
  if (Flat(options, text, text.size()) != Flat(options, text, cut)) std::abort();
  if (options.tools) CheckCalls(options, text);
  return 0;
}

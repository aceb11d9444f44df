// Any text as a model's answer, in one piece and cut in two: the same events, in order.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  infe::chat::OutputParserOptions options;
  if ((data[0] & 1) != 0) {
    options.tools = infe::chat::HermesFormat();
    options.tool_names = {"f", "add"};
    if ((data[0] & 2) != 0) {
      options.tools->kind = infe::chat::ToolFormat::Kind::kNamed;
      options.tools->call_begin = "<tool_call>";
      options.tools->before_name.clear();
      options.tools->between = "<args>";
    }
  }
  options.reasoning = static_cast<infe::chat::ReasoningMode>((data[0] >> 2) % 3);
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const size_t cut = text.empty() ? 0 : data[1] * text.size() / 256;
  if (Flat(options, text, text.size()) != Flat(options, text, cut)) std::abort();
  return 0;
}

#include "chat/tool_format.h"

#include <fmt/format.h>

namespace infe::chat {

std::string ToolFormat::OpenText(bool first) const {
  return (first ? section_begin : separator) + call_begin + before_name;
}

std::string ToolFormat::CloseText(bool last) const {
  return after_arguments + call_end + (last ? section_end : std::string());
}

std::vector<std::string_view> ToolFormat::Texts() const {
  std::vector<std::string_view> texts{section_begin,    call_begin,        before_name,
                                      between,          after_arguments,   call_end,
                                      separator,        section_end,       notation.key_begin,
                                      notation.key_end, notation.text_end, notation.value_end};
  texts.insert(texts.end(), triggers.begin(), triggers.end());
  texts.insert(texts.end(), closers.begin(), closers.end());
  return texts;
}

std::vector<BareOpening> BareOpenings(const ToolFormat& format, std::string_view name) {
  std::vector<BareOpening> openings;
  const auto add = [&](std::string_view before, std::string_view behind_colon, bool in_echo) {
    openings.push_back(
        {fmt::format("{}\"{}\":{}\"{}\"", before, format.name_key, behind_colon, name), in_echo});
  };
  for (const char* before : {"{", "{ ", "{\n", "{\n  ", "{\n    ", "{\n\t"})
    add(before, " ", false);
  add("{", "", false);
  add(R"({"type": "function", "function": {)", " ", true);
  add(R"({"type":"function","function":{)", "", true);
  return openings;
}

ToolFormat HermesFormat() {
  ToolFormat format;
  format.call_begin = "<tool_call>\n";
  format.before_name = R"({"name": ")";
  format.between = R"(", "arguments": )";
  format.after_arguments = "}";
  format.call_end = "\n</tool_call>";
  format.separator = "\n";
  // <tools> is the tag around the tools of the prompt, which small models echo around their calls.
  format.triggers = {"<tool_call>", "<tools>"};
  format.closers = {"</tool_call>", "</tools>"};
  return format;
}

}  // namespace infe::chat

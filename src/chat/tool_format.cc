#include "chat/tool_format.h"

namespace infe::chat {

std::string ToolFormat::OpenText(bool first) const {
  return (first ? section_begin : separator) + call_begin + before_name;
}

std::string ToolFormat::CloseText(bool last) const {
  return after_arguments + call_end + (last ? section_end : std::string());
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

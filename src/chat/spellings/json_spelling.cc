#include "chat/spellings/json_spelling.h"

#include "chat/spellings/json_call_reader.h"
#include "chat/spellings/json_call_span.h"

namespace infe::chat {
namespace {

// The last key before `at` in the text of an object.
std::string KeyBefore(std::string_view object) {
  const size_t colon = object.rfind(':');
  if (colon == std::string_view::npos) return {};
  const size_t close = object.rfind('"', colon);
  if (close == std::string_view::npos || close == 0) return {};
  const size_t open = object.rfind('"', close - 1);
  if (open == std::string_view::npos) return {};
  return std::string(object.substr(open + 1, close - open - 1));
}

}  // namespace

std::optional<ToolFormat> JsonSpelling::Probe(const CallRenderings& rendered) const {
  const std::optional<JsonCallSpan> call = FindJsonCall(rendered.one, kProbeTool, 0);
  if (!call || !call->is_object) return std::nullopt;
  ToolFormat format = CutJsonCall(rendered, *call);
  if (Trimmed(format.after_arguments) != "}") format.after_arguments.assign(1, '}');
  const std::string_view text = rendered.one;
  format.name_key = KeyBefore(text.substr(call->begin, call->name - call->begin));
  format.arguments_key = KeyBefore(text.substr(call->begin, call->arguments - call->begin));
  if (format.name_key.empty() || format.arguments_key.empty()) return std::nullopt;

  std::string trigger = Trimmed(format.section_begin + format.call_begin);
  while (!trigger.empty() && (trigger.back() == '[' || IsBlank(trigger.back()))) trigger.pop_back();
  format.kind = trigger.empty() ? ToolFormat::Kind::kBareJson : ToolFormat::Kind::kJson;
  AddMarks(trigger, format);
  if (trigger == "<tool_call>") {  // small models echo the tag around the tools instead
    format.triggers.push_back("<tools>");
    format.closers.push_back("</tools>");
  }
  if (format.kind == ToolFormat::Kind::kBareJson) format.triggers.push_back("<|python_tag|>");
  return format;
}

std::unique_ptr<CallReader> JsonSpelling::NewReader(const ToolFormat& format, const ArgumentTypes&,
                                                    CallReader::Strictness strictness) const {
  return std::make_unique<JsonCallReader>(format, strictness);
}

std::string JsonSpelling::CallText(const ToolFormat& format, const ToolCall& call) const {
  return format.before_name + call.name + format.between +
         (call.arguments.empty() ? "{}" : call.arguments) + format.after_arguments;
}

}  // namespace infe::chat

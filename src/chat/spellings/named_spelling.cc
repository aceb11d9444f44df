#include "chat/spellings/named_spelling.h"

#include "chat/spellings/json_call_reader.h"
#include "chat/spellings/json_call_span.h"

namespace infe::chat {

std::optional<ToolFormat> NamedSpelling::Probe(const CallRenderings& rendered) const {
  const std::optional<JsonCallSpan> call = FindJsonCall(rendered.one, kProbeTool, 0);
  if (!call || call->is_object) return std::nullopt;
  ToolFormat format = CutJsonCall(rendered, *call);
  const std::string trigger = Trimmed(format.section_begin + format.call_begin);
  format.kind = ToolFormat::Kind::kNamed;
  // Without a marker on either side nothing tells a call from text.
  if (trigger.empty() || Trimmed(format.between).empty()) return std::nullopt;
  if (trigger.front() != '<' && trigger.front() != '[') return std::nullopt;
  AddMarks(trigger, format);
  // What closes several calls where one alone is not closed so.
  if (rendered.two) {
    const std::string_view two = *rendered.two;
    const size_t end =
        format.call_end.empty() ? std::string_view::npos : two.rfind(format.call_end);
    if (end != std::string_view::npos) {
      const std::string all = Trimmed(two.substr(end + format.call_end.size()));
      if (all.starts_with("<") && all != Trimmed(format.section_end)) format.closers.push_back(all);
    }
  }
  return format;
}

std::unique_ptr<CallReader> NamedSpelling::NewReader(const ToolFormat& format, const ArgumentTypes&,
                                                     CallReader::Strictness strictness) const {
  return std::make_unique<JsonCallReader>(format, strictness);
}

std::string NamedSpelling::CallText(const ToolFormat& format, const ToolCall& call) const {
  return format.before_name + call.name + format.between +
         (call.arguments.empty() ? "{}" : call.arguments) + format.after_arguments;
}

}  // namespace infe::chat

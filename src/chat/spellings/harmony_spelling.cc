#include "chat/spellings/harmony_spelling.h"

#include "chat/harmony.h"
#include "chat/spellings/json_call_reader.h"

namespace infe::chat {

std::optional<ToolFormat> HarmonySpelling::Probe(const CallRenderings& rendered) const {
  const std::string_view text = rendered.one;
  const size_t to = text.find("to=functions." + std::string(kProbeTool));
  if (to == std::string_view::npos) return std::nullopt;
  // The recipient may stand before the channel or behind it.
  if (text.find(harmony::kChannel) == std::string_view::npos ||
      text.find(harmony::kMessage, to) == std::string_view::npos)
    return std::nullopt;
  return HarmonyFormat();
}

std::unique_ptr<CallReader> HarmonySpelling::NewReader(const ToolFormat& format,
                                                       const ArgumentTypes&,
                                                       CallReader::Strictness strictness) const {
  return std::make_unique<JsonCallReader>(format, strictness);
}

std::string HarmonySpelling::CallText(const ToolFormat& format, const ToolCall& call) const {
  return format.before_name + call.name + format.between +
         (call.arguments.empty() ? "{}" : call.arguments);
}

}  // namespace infe::chat

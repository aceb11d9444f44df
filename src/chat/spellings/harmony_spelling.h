// A message for the function (gpt-oss; chat/harmony.h). An answer in channels is read as a whole by
// HarmonyReader: this knows only how a call is found in a template and written.
#pragma once

#include "chat/spellings/spelling.h"

namespace infe::chat {

class HarmonySpelling : public Spelling {
 public:
  std::string_view name() const override { return "harmony"; }
  std::optional<ToolFormat> Probe(const CallRenderings& rendered) const override;
  std::unique_ptr<CallReader> NewReader(const ToolFormat& format, const ArgumentTypes& types,
                                        CallReader::Strictness strictness) const override;
  std::string CallText(const ToolFormat& format, const ToolCall& call) const override;
};

}  // namespace infe::chat

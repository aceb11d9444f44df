// The name, a marker, then the arguments as a JSON object (newer Mistral, DeepSeek, Kimi K2).
#pragma once

#include "chat/spellings/spelling.h"

namespace infe::chat {

class NamedSpelling : public Spelling {
 public:
  std::string_view name() const override { return "named json"; }
  std::optional<ToolFormat> Probe(const CallRenderings& rendered) const override;
  std::unique_ptr<CallReader> NewReader(const ToolFormat& format, const ArgumentTypes& types,
                                        CallReader::Strictness strictness) const override;
  std::string CallText(const ToolFormat& format, const ToolCall& call) const override;
};

}  // namespace infe::chat

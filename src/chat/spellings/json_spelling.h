// A JSON object with the name and the arguments, between markers (Hermes, Qwen, Mistral Nemo) or as
// the whole answer without any (Llama 3).
#pragma once

#include "chat/spellings/spelling.h"

namespace infe::chat {

class JsonSpelling : public Spelling {
 public:
  std::string_view name() const override { return "json"; }
  std::optional<ToolFormat> Probe(const CallRenderings& rendered) const override;
  std::unique_ptr<CallReader> NewReader(const ToolFormat& format, const ArgumentTypes& types,
                                        CallReader::Strictness strictness) const override;
  std::string CallText(const ToolFormat& format, const ToolCall& call) const override;
};

}  // namespace infe::chat

// Arguments between tags of their own: <function=N><parameter=K>V (Qwen3-Coder, Qwen3.5, Nemotron,
// Seed), N<arg_key>K</arg_key><arg_value>V (GLM, Ling, Laguna), <invoke name="N"><parameter
// name="K"> (MiniMax, DeepSeek V3.2), <function name="N"><param name="K"> (MiniCPM).
#pragma once

#include "chat/spellings/spelling.h"

namespace infe::chat {

class TaggedSpelling : public Spelling {
 public:
  std::string_view name() const override { return "tagged"; }
  std::optional<ToolFormat> Probe(const CallRenderings& rendered) const override;
  std::unique_ptr<CallReader> NewReader(const ToolFormat& format, const ArgumentTypes& types,
                                        CallReader::Strictness strictness) const override;
  std::string CallText(const ToolFormat& format, const ToolCall& call) const override;
};

}  // namespace infe::chat

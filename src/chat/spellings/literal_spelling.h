// Calls written as code: call:N{k:<|"|>text<|"|>,n:1} (Gemma 4), [n(a='x', b=1)] (LFM2, Llama's
// pythonic templates, OLMo 3).
#pragma once

#include "chat/spellings/spelling.h"

namespace infe::chat {

class LiteralSpelling : public Spelling {
 public:
  std::string_view name() const override { return "literal"; }
  std::optional<ToolFormat> Probe(const CallRenderings& rendered) const override;
  std::unique_ptr<CallReader> NewReader(const ToolFormat& format, const ArgumentTypes& types,
                                        CallReader::Strictness strictness) const override;
  std::string CallText(const ToolFormat& format, const ToolCall& call) const override;
};

}  // namespace infe::chat

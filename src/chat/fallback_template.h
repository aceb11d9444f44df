// Templates for models that ship none.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace infe::chat {

struct FallbackTemplate {
  std::string_view source;
  std::vector<std::string> stop_texts;  // where the model's own turn ends
};

// control_tokens: the texts of the vocabulary's control tokens. With ChatML's markers among them it
// is ChatML, else a plain transcript ("User: ...", "Assistant: ..."), which base models know how to
// go on.
FallbackTemplate ChooseFallbackTemplate(const std::vector<std::string>& control_tokens);

}  // namespace infe::chat

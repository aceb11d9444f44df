// The control tokens that a model spells its tool calls with: Mistral's [TOOL_CALLS], Llama's
// <|python_tag|>, DeepSeek's section marks. To such a model a call begins with the token, and the
// same characters in ordinary tokens are only a second way to write it. Decoding leaves control
// tokens out of the text; of these it shows the names, so that calls are read from the text alone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "chat/tool_format.h"
#include "tokenizer/tokenizer.h"

namespace infe::answer {

struct MarkerToken {
  std::string name;
  tokenizer::TokenId token = 0;
};

// Those of the vocabulary whose names stand in one of the texts (ToolFormat::Texts, the marks of
// reasoning), longest first. Tokens that end an answer are none.
std::vector<MarkerToken> FindMarkerTokens(const tokenizer::Tokenizer& tokenizer,
                                          const std::vector<tokenizer::TokenId>& end_tokens,
                                          const std::vector<std::string_view>& texts);
inline std::vector<MarkerToken> FindMarkerTokens(const tokenizer::Tokenizer& tokenizer,
                                                 const std::vector<tokenizer::TokenId>& end_tokens,
                                                 const chat::ToolFormat& format) {
  return FindMarkerTokens(tokenizer, end_tokens, format.Texts());
}

}  // namespace infe::answer

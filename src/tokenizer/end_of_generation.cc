#include "tokenizer/end_of_generation.h"

#include <algorithm>
#include <array>

namespace infe::tokenizer {
namespace {

// Ends of turns, texts and tool calls, by family: ChatML and Qwen, GPT-2 and its like, Llama 3 and
// 4, Phi-3, Gemma, Harmony (gpt-oss), DeepSeek, OpenChat, SmolVLM, and base models with names of
// their own.
constexpr std::array<std::string_view, 23> kEndNames = {
    "<|im_end|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|eot|>",
    "<|eom|>",
    "<|end|>",
    "<end_of_turn>",
    "<turn|>",
    "<|tool_response>",  // Gemma 4 ends a call with it
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<\xEF\xBD\x9C"
    "end\xE2\x96\x81of\xE2\x96\x81sentence\xEF\xBD\x9C>",
    "<|end_of_turn|>",
    "<end_of_utterance>",
    "<EOT>",
    "_<EOT>",
    "< EOT >",
    "[EOT]",
    "[EOS]",
};
// Code models pack files behind one another: a padding, a new repository or a new file ends this
// one.
constexpr std::array<std::string_view, 4> kFillInNames = {"<|fim_pad|>", "<|repo_name|>",
                                                          "<|file_sep|>", "<|file_separator|>"};

bool IsEndOfGenerationName(std::string_view name) {
  return std::find(kEndNames.begin(), kEndNames.end(), name) != kEndNames.end() ||
         std::find(kFillInNames.begin(), kFillInNames.end(), name) != kFillInNames.end();
}

}  // namespace

std::vector<TokenType> CorrectedTypes(const Vocab& vocab) {
  std::vector<TokenType> types = vocab.types;
  types.resize(vocab.tokens.size(), TokenType::kNormal);
  bool has_begin = false;  // a control token <s>
  for (TokenId token = 0; token < types.size(); ++token)
    if (types[token] == TokenType::kControl && vocab.tokens[token] == "<s>") has_begin = true;
  for (TokenId token = 0; token < types.size(); ++token) {
    if (types[token] == TokenType::kByte) continue;
    const std::string& text = vocab.tokens[token];
    if (IsEndOfGenerationName(text) || (has_begin && text == "</s>"))
      types[token] = TokenType::kControl;
  }
  return types;
}

std::vector<TokenId> FindEndOfGeneration(const Vocab& vocab, const std::vector<TokenType>& types) {
  std::vector<TokenId> found = vocab.end_of_generation;
  if (vocab.eos) found.push_back(*vocab.eos);
  // Harmony ends each message of an answer with <|end|> and the answer with <|return|> or <|call|>.
  bool has_return = false;
  for (TokenId token = 0; token < vocab.tokens.size(); ++token)
    if (types[token] == TokenType::kControl && vocab.tokens[token] == "<|return|>")
      has_return = true;
  for (TokenId token = 0; token < vocab.tokens.size(); ++token) {
    if (types[token] != TokenType::kControl || !IsEndOfGenerationName(vocab.tokens[token]))
      continue;
    if (has_return && vocab.tokens[token] == "<|end|>") continue;
    found.push_back(token);
  }
  std::erase_if(found, [&](TokenId token) { return token >= vocab.tokens.size(); });
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

}  // namespace infe::tokenizer

#include "tokenizer/end_of_generation.h"

#include <algorithm>
#include <array>

namespace infe::tokenizer {
namespace {

// Ends of turns, texts and tool calls, by family: ChatML and Qwen, Llama 3, Phi-3, Gemma, Harmony
// (gpt-oss), GPT-2 and its like, DeepSeek, SmolVLM, Llama 4 and Mistral derivatives.
constexpr std::array<std::string_view, 15> kEndNames = {
    "<|im_end|>", "<|endoftext|>", "<|end_of_text|>", "<|eot_id|>",         "<|eom_id|>",
    "<|end|>",    "<end_of_turn>", "<turn|>",         "<|return|>",         "<|call|>",
    "<|eot|>",    "<|eom|>",       "<EOT>",           "<end_of_utterance>", "[EOS]",
};
// Code models pack files behind one another: a padding, a new repository or a new file ends this
// one.
constexpr std::array<std::string_view, 4> kFillInNames = {"<|fim_pad|>", "<|repo_name|>",
                                                          "<|file_sep|>", "<|file_separator|>"};

}  // namespace

bool IsEndOfGenerationName(std::string_view name) {
  return std::find(kEndNames.begin(), kEndNames.end(), name) != kEndNames.end() ||
         std::find(kFillInNames.begin(), kFillInNames.end(), name) != kFillInNames.end();
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

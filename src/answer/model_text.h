// How one model's text is made and read: its tokenizer, its chat template, the control tokens that
// its calls are spelled with, the vocabulary as grammars see it. Everything of a model but its
// weights, so that prompts, grammars and answers are tested without any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "answer/ask.h"
#include "answer/fill_in.h"
#include "answer/marker_tokens.h"
#include "base/partial_sampling.h"
#include "base/result.h"
#include "chat/output_parser.h"
#include "chat/prompt_renderer.h"
#include "grammar/token_trie.h"
#include "tokenizer/tokenizer.h"

namespace infe::answer {

// Immutable once made.
struct ModelText {
  std::string name;
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer;
  std::unique_ptr<const chat::PromptRenderer> renderer;
  std::vector<std::string> template_names;  // that its own template reads; sorted
  std::vector<Effort> efforts;              // that it takes; ascending
  std::optional<FillIn> fill_in;            // absent: it has not learnt to fill in
  // Control tokens that calls and reasoning are spelled with; those of each alone.
  std::vector<MarkerToken> markers, call_markers, reasoning_markers;
  std::shared_ptr<const grammar::TokenTrie> trie;
  std::vector<tokenizer::TokenId> end_tokens;
  uint32_t context_max = 0;
  PartialSampling sampling_defaults;
  std::string render_fingerprint;

  // Whether a text of so many bytes has too many tokens in any case. Encoding megabytes only to
  // refuse them would take seconds and fifty times their memory.
  bool SurelyTooLong(size_t text_bytes) const { return TokensMin(text_bytes) >= context_max; }
  size_t TokensMin(size_t text_bytes) const { return text_bytes / tokenizer->token_bytes_max(); }
  // The control tokens of what an answer is read for: its text shows their names. They live as this
  // does.
  std::span<const MarkerToken> ShownTokens(const chat::OutputParserOptions& reading) const;
};

struct ModelTextSource {
  std::string name;
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer;
  std::string chat_template;       // empty: one is chosen
  std::string bos_text, eos_text;  // as templates want them
  std::vector<tokenizer::TokenId> end_tokens;
  FillInIds fill_in = {};
};

// All but context_max, sampling_defaults and render_fingerprint. Fails where the template does not
// compile.
Result<ModelText> MakeModelText(const ModelTextSource& source);

}  // namespace infe::answer

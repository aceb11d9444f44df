// Pre-tokenizers: how text is cut into pieces before byte-level BPE; merges never cross a cut. The
// field writes them as regular expressions. Here they are scanners, one pass over the code points,
// because the expressions need a look-ahead and Unicode categories and must be linear on any input.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "tokenizer/char_class.h"

namespace infe::tokenizer {

enum class PreTokenizerKind {
  // '(s|t|re|ve|m|ll|d) | ?\p{L}+ | ?\p{N}+ | ?[^\s\p{L}\p{N}]+ | \s+(?!\S) | \s+
  kGpt2,
  // Every \p{N} alone first; kGpt2 between them.
  kDigitsThenGpt2,
  // (?i:'s|'t|'re|'ve|'m|'ll|'d) | [^\r\n\p{L}\p{N}]?\p{L}+ | \p{N} | ?[^\s\p{L}\p{N}]+[\r\n]*
  // | \s*[\r\n]+ | \s+(?!\S) | \s+
  kQwen2,
  // kQwen2, but numbers by up to three: \p{N}{1,3}
  kLlama3,
  // kQwen2 with marks in words: [^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+, and ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*
  kQwen35,
  // Words turn from upper to lower case once, with U = [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}] and
  // L = [\p{Ll}\p{Lm}\p{Lo}\p{M}]: P?U*L+C? | P?U+L*C? with P = [^\r\n\p{L}\p{N}] and a contraction
  // C as above | \p{N}{1,3} | ?[^\s\p{L}\p{N}]+[\r\n/]* | \s*[\r\n]+ | \s+(?!\S) | \s+
  kGpt4o,
  // kGpt4o without contractions, and every number alone: \p{N}
  kTekken,
  // kGpt4o with runs of \p{Han} first and none of it in words, and no slash behind punctuation.
  kKimiK2,
  // kQwen2 without newlines behind punctuation: ?[^\s\p{L}\p{N}]+
  kSeedCoder,
  // kQwen2 without contractions.
  kUfakzeka,
  // Every \p{N}{1,3} alone first; kLlama3 between them.
  kDigitsThenLlama3,
  // Every \p{N}{1,3} first; then every run of [U+4E00-U+9FA5 U+3040-U+30FF]; between them
  // [!-/:-@\[-`{-~][A-Za-z]+ | [^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+ | ?[\p{P}\p{S}]+[\r\n]*
  // | \s*[\r\n]+ | \s+(?!\S) | \s+ and what none of these takes.
  kDeepseekV3,
  // Runs of \p{N}, cut in front of every three digits from their end: (?=(\d{3})+(?!\d)); what
  // stands between them is not cut, spaces neither.
  kSuperBpe,
};

// What a model file's name for its pre-tokenizer (tokenizer.ggml.pre) stands for.
struct PreTokenizerSpec {
  PreTokenizerKind kind = PreTokenizerKind::kGpt2;
  // A piece that is a token is taken whole, whether or not merges lead to it (Llama 3).
  bool vocabulary_first = false;
  bool add_bos = false;  // where the file does not say
};

// Nothing for a name unknown here.
std::optional<PreTokenizerSpec> FindPreTokenizer(std::string_view name);

class PreTokenizer {
 public:
  explicit PreTokenizer(PreTokenizerKind kind) : kind_(kind), classes_(CharClasses::Get()) {}

  PreTokenizerKind kind() const { return kind_; }
  // End of the piece that begins at text[at]. REQUIRES: at < text.size(). Malformed bytes count as
  // characters of no class. A text is cut by calling this until its end; that is linear.
  size_t PieceEnd(std::string_view text, size_t at) const;

 private:
  size_t Gpt2(std::string_view text, size_t at) const;
  size_t Llama3(std::string_view text, size_t at, int digits_max) const;
  size_t Gpt4o(std::string_view text, size_t at) const;
  size_t DeepseekV3(std::string_view text, size_t at) const;
  size_t SuperBpe(std::string_view text, size_t at) const;

  PreTokenizerKind kind_;
  const CharClasses& classes_;
};

}  // namespace infe::tokenizer

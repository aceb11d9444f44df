// Tokenizer: text to token ids and back. Immutable after Create, so any thread may use it at any
// time. Five families, chosen by Vocab::model: byte-level BPE ("gpt2"), SentencePiece-style BPE
// with byte fallback ("llama"), BPE by merges over characters ("gemma4"), and two that only read,
// WordPiece ("bert") and SentencePiece's unigrams ("t5"): their tokens do not give back what was
// written. Time is near-linear in the text, whatever the text.
//
// Special tokens and trust. A prompt is written by a template, with users' text in its holes. The
// whole text is tokenised as one, but a control token such as <|im_end|> is recognised only where
// every byte of it was written by the template: text of a message can never forge one. Tokens of
// type user_defined (runs of spaces, <tool_call>) are text and match everywhere.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/special_matcher.h"
#include "tokenizer/token_id.h"
#include "tokenizer/token_table.h"
#include "tokenizer/vocab.h"

namespace infe::tokenizer {

class PieceEncoder;

enum class SpecialTokens {
  kNone,     // no control token is made from the text: it is all user text
  kTrusted,  // only inside EncodeOptions::trusted
  kAll,      // anywhere: the whole text is trusted
};

enum class AddSpecial {
  kAsVocabulary,  // BOS and EOS where the vocabulary asks for them, never a second one
  kNever,
};

struct EncodeOptions {
  SpecialTokens special = SpecialTokens::kNone;
  // Byte ranges written by the template, in any order; ends past the text are cut. Ranges that
  // touch count as one. Borrowed for the call.
  std::span<const TextSpan> trusted = {};
  AddSpecial add_special = AddSpecial::kAsVocabulary;
};

class Tokenizer {
 public:
  // Errors: kCorrupt for a vocabulary that contradicts itself (lengths, ids out of range),
  // kUnsupported for an unknown model or pre-tokenizer. Costs about 0.1 s for 150,000 tokens.
  static Result<std::unique_ptr<Tokenizer>> Create(Vocab vocab);
  ~Tokenizer();
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // Any bytes are taken; malformed UTF-8 keeps its bytes. A character that the vocabulary cannot
  // spell becomes the unknown token (SentencePiece) or is left out (byte-level BPE), as elsewhere.
  std::vector<TokenId> Encode(std::string_view text, const EncodeOptions& options = {}) const;

  // The text of the tokens: exactly what was encoded, special tokens aside. May hold malformed
  // UTF-8 if the tokens do (SanitizeUtf8 mends it). Ids out of range are skipped. To decode a
  // stream, or tokens that go on after others, use StreamDecoder.
  std::string Decode(std::span<const TokenId> tokens) const;

  size_t size() const { return table_.size(); }
  // No token stands for more bytes of a text: a text of B bytes has at least B / this tokens (save
  // for characters that the vocabulary cannot spell), which is known without encoding it.
  size_t token_bytes_max() const { return token_bytes_max_; }
  // Raw bytes that the token adds to a text, possibly part of a character; empty for tokens that
  // produce no text (control, unknown, unused) and for ids out of range. Lives as long as this.
  std::string_view TokenBytes(TokenId token) const { return table_.Bytes(token); }
  // The bytes it adds where text begins (true) or goes on (false): where text begins, the prefix of
  // add_space_prefix is taken away.
  std::string_view TextBytes(TokenId token, bool text_begins) const;
  // Whether text that follows this token begins anew, as after every special token.
  bool EndsText(TokenId token) const {
    return IsControl(token) || Type(token) == TokenType::kUserDefined;
  }
  // For display and logprobs: the name of a special token, else its bytes with malformed UTF-8
  // replaced.
  std::string TokenText(TokenId token) const;
  TokenType Type(TokenId token) const { return table_.Type(token); }
  // True for tokens that produce no text: control, unknown, unused, ids out of range.
  bool IsControl(TokenId token) const { return !table_.ProducesText(token); }
  bool IsEndOfGeneration(TokenId token) const;
  std::span<const TokenId> end_of_generation() const { return end_of_generation_; }  // ascending
  // The token that is exactly this text: a special token by its name, else a token by its bytes.
  std::optional<TokenId> Find(std::string_view text) const;

  std::optional<TokenId> bos() const { return bos_; }
  std::optional<TokenId> eos() const { return eos_; }
  std::optional<TokenId> unknown() const { return unknown_; }
  std::optional<TokenId> padding() const { return padding_; }
  bool add_bos() const { return add_bos_; }
  bool add_eos() const { return add_eos_; }
  // Of a pair of texts, what stands between the end of the first and the second.
  std::span<const TokenId> between_texts() const { return between_; }
  // SentencePiece models of the older kind put a space before text that begins a prompt or follows
  // a special token; decoding takes it away again.
  bool add_space_prefix() const { return add_space_prefix_; }

 private:
  Tokenizer() = default;
  // Text between special tokens, not empty.
  void EncodeText(std::string_view text, std::vector<TokenId>& out) const;

  TokenTable table_;
  SpecialMatcher specials_;
  std::unique_ptr<PieceEncoder> encoder_;  // borrows table_
  std::vector<TokenId> end_of_generation_;
  std::optional<TokenId> bos_, eos_, unknown_, padding_;
  std::vector<TokenId> between_;
  size_t token_bytes_max_ = 1;
  bool add_bos_ = false;
  bool add_eos_ = false;
  bool add_space_prefix_ = false;
};

}  // namespace infe::tokenizer

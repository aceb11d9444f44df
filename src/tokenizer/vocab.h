// Vocab: everything a tokenizer is made from, as plain data. A loader fills it from a model file;
// this folder knows no file format. The comments name the GGUF keys that the fields come from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tokenizer/token_id.h"

namespace infe::tokenizer {

// The numbers of tokenizer.ggml.token_type.
enum class TokenType : uint8_t {
  kUndefined = 0,    // treated as kNormal
  kNormal = 1,       // text
  kUnknown = 2,      // stands for what the vocabulary cannot spell; produces no text
  kControl = 3,      // structure such as <|im_end|>; produces no text, is never made from user text
  kUserDefined = 4,  // text that is one token wherever it stands, matched before any merging
  kUnused = 5,       // a filler row; produces no text
  kByte = 6,         // one raw byte, written <0xAB> (SentencePiece's byte fallback)
};

struct Vocab {
  // tokenizer.ggml.model: "gpt2" (byte-level BPE), "llama" (SentencePiece), "gemma4" (BPE by merges
  // over characters), "bert" (WordPiece) or "t5" (SentencePiece's unigrams).
  std::string model;
  std::string pre_tokenizer;        // tokenizer.ggml.pre, such as "qwen2"; used by "gpt2" only
  std::vector<std::string> tokens;  // tokenizer.ggml.tokens: as stored, by id
  std::vector<TokenType> types;     // tokenizer.ggml.token_type: per token; empty = all normal
  std::vector<float> scores;        // tokenizer.ggml.scores: per token; "llama" and "t5" need them
  std::vector<std::string> merges;  // tokenizer.ggml.merges: "left right", best first; "gpt2" needs
  std::optional<TokenId> bos;       // tokenizer.ggml.bos_token_id and so on
  std::optional<TokenId> eos;
  std::optional<TokenId> unknown;  // "bert" and "t5" need it
  std::optional<TokenId> padding;
  // Tokens that end a generation besides eos: tokenizer.ggml.eot_token_id, eom_token_id. Well-known
  // names (<|im_end|>, <|eot_id|>, <end_of_turn>, ...) are found by the tokenizer itself.
  std::vector<TokenId> end_of_generation;
  // Absent keys take the field's default: BOS and a space in front for "llama", neither for "gpt2"
  // (BOS for the pre-tokenizer llama-bpe), BOS and EOS ([CLS] and [SEP]) for "bert".
  std::optional<bool> add_bos;           // tokenizer.ggml.add_bos_token
  std::optional<bool> add_eos;           // tokenizer.ggml.add_eos_token
  std::optional<bool> add_space_prefix;  // tokenizer.ggml.add_space_prefix
  bool lowercase = true;  // tokenizer.ggml.normalizer.lowercase; of "bert": marks go as well
  // Of "t5": tokenizer.ggml.precompiled_charsmap (tokenizer/char_map.h), and
  // tokenizer.ggml.remove_extra_whitespaces.
  std::string char_map;
  bool remove_extra_whitespaces = false;
};

}  // namespace infe::tokenizer

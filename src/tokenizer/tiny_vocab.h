// Two vocabularies of a few hundred tokens, written in code: for unit tests and fuzz targets here
// and in the folders above. All 256 bytes can be spelled, some words merge, and there are tokens of
// every type. Not part of the program.
#pragma once

#include <cstdio>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/utf8.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/vocab.h"

namespace infe::tokenizer {

inline TokenId AddToken(Vocab& vocab, std::string text, TokenType type) {
  vocab.tokens.push_back(std::move(text));
  vocab.types.push_back(type);
  return static_cast<TokenId>(vocab.tokens.size() - 1);
}

// Byte-level BPE. Tokens 0-255 are the bytes in order; then the merges' products; then
// <|endoftext|> (BOS), <|im_start|>, <|im_end|> (EOS), <tool_call> (user defined) and an unused
// one.
inline Vocab TinyByteLevelVocab(std::string_view pre_tokenizer = "qwen2") {
  Vocab vocab;
  vocab.model = "gpt2";
  vocab.pre_tokenizer = pre_tokenizer;
  for (const uint32_t code : ByteLevelAlphabet()) {
    std::string text;
    AppendUtf8(text, code);
    AddToken(vocab, text, TokenType::kNormal);
  }
  // U+0120 stands for a space, U+010A for a newline, U+00C3 U+00A9 for the two bytes of e acute.
  for (const char* merge : {"h e",
                            "l l",
                            "he ll",
                            "hell o",
                            "\xC4\xA0 w",
                            "o r",
                            "\xC4\xA0w or",
                            "\xC4\xA0wor l",
                            "\xC4\xA0worl d",
                            "a a",
                            "aa aa",
                            "\xC4\xA0 \xC4\xA0",
                            "\xC4\x8A \xC4\x8A",
                            "t h",
                            "th e",
                            "\xC4\xA0 the",
                            "i n",
                            "in g",
                            "\xC3\x83 \xC2\xA9",
                            "1 2"}) {
    vocab.merges.push_back(merge);
    std::string product = merge;
    product.erase(product.find(' '), 1);
    AddToken(vocab, product, TokenType::kNormal);
  }
  vocab.bos = AddToken(vocab, "<|endoftext|>", TokenType::kControl);
  AddToken(vocab, "<|im_start|>", TokenType::kControl);
  vocab.eos = AddToken(vocab, "<|im_end|>", TokenType::kControl);
  AddToken(vocab, "<tool_call>", TokenType::kUserDefined);
  AddToken(vocab, "[PAD0]", TokenType::kUnused);
  return vocab;
}

// SentencePiece. <unk>, <s>, </s>, <end_of_turn>, "\n\n" (user defined), 256 byte tokens, then
// characters and words with falling scores.
inline Vocab TinySentencePieceVocab(bool add_space_prefix = false) {
  Vocab vocab;
  vocab.model = "llama";
  vocab.pre_tokenizer = "default";
  vocab.unknown = AddToken(vocab, "<unk>", TokenType::kUnknown);
  vocab.bos = AddToken(vocab, "<s>", TokenType::kControl);
  vocab.eos = AddToken(vocab, "</s>", TokenType::kControl);
  AddToken(vocab, "<end_of_turn>", TokenType::kControl);
  AddToken(vocab, "\n\n", TokenType::kUserDefined);
  for (int byte = 0; byte < 256; ++byte) {
    char text[8];
    std::snprintf(text, sizeof(text), "<0x%02X>", byte);
    AddToken(vocab, text, TokenType::kByte);
  }
  vocab.scores.assign(vocab.tokens.size(), 0.0f);
  // U+2581 stands for a space. U+00E9 is a character of the vocabulary, most others are not.
  for (const char* text : {"\xE2\x96\x81t",
                           "he",
                           "\xE2\x96\x81the",
                           "ll",
                           "hell",
                           "hello",
                           "\xE2\x96\x81hello",
                           "or",
                           "\xE2\x96\x81w",
                           "ld",
                           "orld",
                           "\xE2\x96\x81world",
                           "aa",
                           "aaaa",
                           "\xE2\x96\x81\xE2\x96\x81",
                           ">\xE2\x96\x81",
                           ">\xE2\x96\x81<",
                           "\xE2\x96\x81",
                           "h",
                           "e",
                           "l",
                           "o",
                           "w",
                           "r",
                           "d",
                           "t",
                           "a",
                           "<",
                           ">",
                           "\xC3\xA9"}) {
    AddToken(vocab, text, TokenType::kNormal);
    vocab.scores.push_back(-static_cast<float>(vocab.scores.size()));
  }
  vocab.add_bos = false;
  vocab.add_space_prefix = add_space_prefix;
  return vocab;
}

// Gemma 4. As TinySentencePieceVocab, with merges in place of scores and newlines of one and two.
inline Vocab TinyCharacterVocab() {
  Vocab vocab;
  vocab.model = "gemma4";
  vocab.unknown = AddToken(vocab, "<unk>", TokenType::kUnknown);
  vocab.bos = AddToken(vocab, "<bos>", TokenType::kControl);
  vocab.eos = AddToken(vocab, "<turn|>", TokenType::kControl);
  for (int byte = 0; byte < 256; ++byte) {
    char text[8];
    std::snprintf(text, sizeof(text), "<0x%02X>", byte);
    AddToken(vocab, text, TokenType::kByte);
  }
  for (const char* text :
       {"\xE2\x96\x81", "t", "h", "e", "l", "o", "a", "\xC3\xA9", "\n", "\n\n"}) {
    AddToken(vocab, text, TokenType::kNormal);
  }
  for (const char* merge : {"h e", "t he", "\xE2\x96\x81 the", "l l", "he ll", "hell o",
                            "\xE2\x96\x81 \xE2\x96\x81", "a a"}) {
    vocab.merges.push_back(merge);
    std::string product = merge;
    product.erase(product.find(' '), 1);
    AddToken(vocab, product, TokenType::kNormal);
  }
  return vocab;
}

}  // namespace infe::tokenizer

#include "tokenizer/spaced_bpe.h"

#include <algorithm>
#include <string>

#include "base/utf8.h"

namespace infe::tokenizer {

std::string MarksToSpaces(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  size_t at = 0;
  for (size_t mark; (mark = text.find(kSpaceMark, at)) != std::string_view::npos;) {
    out.append(text, at, mark - at);
    out += ' ';
    at = mark + kSpaceMark.size();
  }
  out.append(text, at);
  return out;
}

SpacedBpe::SpacedBpe(const Vocab& vocab, const TokenTable& table)
    : table_(table), unknown_(vocab.unknown), memo_(table.size()) {
  byte_tokens_.fill(kNoToken);
  for (TokenId token = 0; token < table.size(); ++token) {
    const std::string_view bytes = table.Bytes(token);
    if (table.Type(token) == TokenType::kByte) byte_tokens_[static_cast<uint8_t>(bytes[0])] = token;
    if (!table.ProducesText(token)) continue;
    for (size_t i = 1; i < bytes.size(); ++i)
      if (bytes[i] == ' ') joins_space_.set(static_cast<uint8_t>(bytes[i - 1]));
  }
}

size_t SpacedBpe::PieceEnd(std::string_view text, size_t at) const {
  for (size_t end = at + 1; end < text.size(); ++end) {
    if (Parts(text[end - 1], text[end])) return end;
    if (text[end] == ' ' && !joins_space_[static_cast<uint8_t>(text[end - 1])]) return end;
  }
  return text.size();
}

void SpacedBpe::Merge(std::string_view piece, MergeScratch& scratch) const {
  scratch.symbols.clear();
  for (size_t at = 0; at < piece.size();) {
    const size_t length = std::max<size_t>(1, Utf8Length(piece.substr(at)));
    const TokenId token = table_.FindNormal(piece.substr(at, length)).value_or(kNoToken);
    scratch.symbols.push_back(
        {static_cast<uint32_t>(at), static_cast<uint32_t>(at + length), token});
    at += length;
  }
  MergeSymbols(piece, scratch);
}

bool SpacedBpe::IsOneToken(TokenId token, std::string_view piece, MergeScratch& scratch) const {
  if (IsTakenWhole(piece)) return true;
  return memo_.IsWhole(token, [&] {
    Merge(piece, scratch);
    return scratch.symbols.size() == 1 && scratch.symbols[0].token == token;
  });
}

void SpacedBpe::EncodePiece(std::string_view piece, MergeScratch& scratch,
                            std::vector<TokenId>& out) const {
  const std::optional<TokenId> word = table_.FindNormal(piece);
  if (word && IsOneToken(*word, piece, scratch)) {
    out.push_back(*word);
    return;
  }
  Merge(piece, scratch);
  for (const Symbol& symbol : scratch.symbols) {
    if (symbol.token != kNoToken) {
      out.push_back(symbol.token);
      continue;
    }
    const std::string_view bytes = piece.substr(symbol.begin, symbol.end - symbol.begin);
    const bool spelled = std::all_of(bytes.begin(), bytes.end(), [this](char c) {
      return byte_tokens_[static_cast<uint8_t>(c)] != kNoToken;
    });
    if (spelled) {
      for (const char c : bytes) out.push_back(byte_tokens_[static_cast<uint8_t>(c)]);
    } else if (unknown_) {
      out.push_back(*unknown_);
    }
  }
}

void SpacedBpe::Encode(std::string_view text, std::vector<TokenId>& out) const {
  std::string unmarked;
  if (text.find(kSpaceMark) != std::string_view::npos) {
    unmarked = MarksToSpaces(text);
    text = unmarked;
  }
  MergeScratch scratch;
  for (size_t at = 0; at < text.size();) {
    const size_t end = PieceEnd(text, at);
    EncodePiece(text.substr(at, end - at), scratch, out);
    at = end;
  }
}

}  // namespace infe::tokenizer

#include "tokenizer/character_bpe.h"

#include <algorithm>
#include <string>

#include "base/utf8.h"

namespace infe::tokenizer {
namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581

std::string MarksToSpaces(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const bool mark = text.substr(at).starts_with(kSpaceMark);
    out += mark ? ' ' : text[at];
    at += mark ? kSpaceMark.size() : 1;
  }
  return out;
}

// A token that a merge may name: one that produces text.
std::optional<TokenId> FindStored(std::string_view stored, const TokenTable& table) {
  const std::string text = MarksToSpaces(stored);
  if (const std::optional<TokenId> token = table.FindNormal(text)) return token;
  const std::optional<TokenId> named = table.FindName(text);
  return named && table.ProducesText(*named) ? named : std::nullopt;
}

}  // namespace

CharacterBpe::CharacterBpe(const Vocab& vocab, const TokenTable& table)
    : table_(table), merges_(vocab.merges.size()), unknown_(vocab.unknown), memo_(table.size()) {
  byte_tokens_.fill(kNoToken);
  for (TokenId token = 0; token < table.size(); ++token) {
    const std::string_view bytes = table.Bytes(token);
    if (table.Type(token) == TokenType::kByte) byte_tokens_[static_cast<uint8_t>(bytes[0])] = token;
    for (size_t i = 1; i < bytes.size(); ++i)
      if (bytes[i] == ' ') joins_space_.set(static_cast<uint8_t>(bytes[i - 1]));
  }
}

Result<std::unique_ptr<PieceEncoder>> CharacterBpe::Create(const Vocab& vocab,
                                                           const TokenTable& table) {
  if (vocab.merges.empty()) return Corrupt("a vocabulary of kind gemma4 has no merges");
  std::unique_ptr<CharacterBpe> bpe(new CharacterBpe(vocab, table));
  for (size_t rank = 0; rank < vocab.merges.size(); ++rank) {
    const std::string& text = vocab.merges[rank];
    // A part is never empty, so a space in front would belong to it.
    const size_t space = text.find(' ', 1);
    if (space == std::string::npos || space + 1 >= text.size()) {
      return Corrupt("merge " + std::to_string(rank) + " (\"" + text + "\") is not a pair");
    }
    std::string joined = text;
    joined.erase(space, 1);
    const std::optional<TokenId> left = FindStored(std::string_view(text).substr(0, space), table);
    const std::optional<TokenId> right =
        FindStored(std::string_view(text).substr(space + 1), table);
    const std::optional<TokenId> merged = FindStored(joined, table);
    if (!left || !right || !merged) {
      return Corrupt("merge " + std::to_string(rank) + " (\"" + text +
                     "\") names a token that is not in the vocabulary");
    }
    bpe->merges_.Insert(*left, *right, {static_cast<uint32_t>(rank), *merged});
  }
  return std::unique_ptr<PieceEncoder>(std::move(bpe));
}

size_t CharacterBpe::PieceEnd(std::string_view text, size_t at) const {
  const bool newlines = text[at] == '\n';
  for (size_t end = at + 1; end < text.size(); ++end) {
    if ((text[end] == '\n') != newlines) return end;
    if (text[end] == ' ' && !joins_space_[static_cast<uint8_t>(text[end - 1])]) return end;
  }
  return text.size();
}

void CharacterBpe::Merge(std::string_view piece, MergeScratch& scratch) const {
  scratch.symbols.clear();
  for (size_t at = 0; at < piece.size();) {
    const size_t length = std::max<size_t>(1, Utf8Length(piece.substr(at)));
    const TokenId token = table_.FindNormal(piece.substr(at, length)).value_or(kNoToken);
    scratch.symbols.push_back(
        {static_cast<uint32_t>(at), static_cast<uint32_t>(at + length), token});
    at += length;
  }
  MergeAll(scratch, [this](const Symbol& left, const Symbol& right) -> MergeStep {
    if (left.token == kNoToken || right.token == kNoToken) return {};
    return merges_.Find(left.token, right.token);
  });
}

bool CharacterBpe::IsOneToken(TokenId token, std::string_view piece, MergeScratch& scratch) const {
  if (piece[0] == '\n') return true;
  return memo_.IsWhole(token, [&] {
    Merge(piece, scratch);
    return scratch.symbols.size() == 1 && scratch.symbols[0].token == token;
  });
}

void CharacterBpe::EncodePiece(std::string_view piece, MergeScratch& scratch,
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

void CharacterBpe::Encode(std::string_view text, std::vector<TokenId>& out) const {
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

#include "tokenizer/sentence_piece_bpe.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "base/utf8.h"

namespace infe::tokenizer {
namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581

std::vector<uint32_t> RankByScore(const std::vector<float>& scores) {
  std::vector<uint32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return scores[a] > scores[b]; });
  std::vector<uint32_t> ranks(scores.size());
  uint32_t rank = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    if (i > 0 && scores[order[i]] != scores[order[i - 1]]) ++rank;
    ranks[order[i]] = rank;
  }
  return ranks;
}

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

}  // namespace

SentencePieceBpe::SentencePieceBpe(const Vocab& vocab, const TokenTable& table)
    : table_(table),
      ranks_(RankByScore(vocab.scores)),
      unknown_(vocab.unknown),
      memo_(table.size()) {
  byte_tokens_.fill(kNoToken);
  for (TokenId token = 0; token < table.size(); ++token) {
    const std::string_view bytes = table.Bytes(token);
    if (table.Type(token) == TokenType::kByte) byte_tokens_[static_cast<uint8_t>(bytes[0])] = token;
    if (table.Type(token) != TokenType::kNormal) continue;
    for (size_t i = 1; i < bytes.size(); ++i)
      if (bytes[i] == ' ') joins_space_.set(static_cast<uint8_t>(bytes[i - 1]));
  }
}

Result<std::unique_ptr<PieceEncoder>> SentencePieceBpe::Create(const Vocab& vocab,
                                                               const TokenTable& table) {
  if (vocab.scores.size() != vocab.tokens.size()) {
    return Corrupt("a vocabulary of kind llama has " + std::to_string(vocab.tokens.size()) +
                   " tokens but " + std::to_string(vocab.scores.size()) + " scores");
  }
  for (const float score : vocab.scores)
    if (score != score) return Corrupt("a token's score is not a number");
  return std::unique_ptr<PieceEncoder>(new SentencePieceBpe(vocab, table));
}

size_t SentencePieceBpe::PieceEnd(std::string_view text, size_t at) const {
  for (size_t end = at + 1; end < text.size(); ++end)
    if (text[end] == ' ' && !joins_space_[static_cast<uint8_t>(text[end - 1])]) return end;
  return text.size();
}

void SentencePieceBpe::Merge(std::string_view piece, MergeScratch& scratch) const {
  scratch.symbols.clear();
  for (size_t at = 0; at < piece.size();) {
    const size_t length = std::max<size_t>(1, Utf8Length(piece.substr(at)));
    const TokenId token = table_.FindNormal(piece.substr(at, length)).value_or(kNoToken);
    scratch.symbols.push_back(
        {static_cast<uint32_t>(at), static_cast<uint32_t>(at + length), token});
    at += length;
  }
  MergeAll(scratch, [&](const Symbol& left, const Symbol& right) -> MergeStep {
    const std::optional<TokenId> token =
        table_.FindNormal(piece.substr(left.begin, right.end - left.begin));
    if (!token) return {};
    return {ranks_[*token], *token};
  });
}

bool SentencePieceBpe::IsOneToken(TokenId token, std::string_view piece,
                                  MergeScratch& scratch) const {
  return memo_.IsWhole(token, [&] {
    Merge(piece, scratch);
    return scratch.symbols.size() == 1 && scratch.symbols[0].token == token;
  });
}

void SentencePieceBpe::EncodePiece(std::string_view piece, MergeScratch& scratch,
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

void SentencePieceBpe::Encode(std::string_view text, std::vector<TokenId>& out) const {
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

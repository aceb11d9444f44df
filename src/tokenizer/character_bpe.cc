#include "tokenizer/character_bpe.h"

#include <string>

namespace infe::tokenizer {
namespace {

// A token that a merge may name: one that produces text.
std::optional<TokenId> FindStored(std::string_view stored, const TokenTable& table) {
  const std::string text = MarksToSpaces(stored);
  if (const std::optional<TokenId> token = table.FindNormal(text)) return token;
  const std::optional<TokenId> named = table.FindName(text);
  return named && table.ProducesText(*named) ? named : std::nullopt;
}

}  // namespace

CharacterBpe::CharacterBpe(const Vocab& vocab, const TokenTable& table)
    : SpacedBpe(vocab, table), merges_(vocab.merges.size()) {}

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

void CharacterBpe::MergeSymbols(std::string_view, MergeScratch& scratch) const {
  MergeAll(scratch, [this](const Symbol& left, const Symbol& right) -> MergeStep {
    if (left.token == kNoToken || right.token == kNoToken) return {};
    return merges_.Find(left.token, right.token);
  });
}

}  // namespace infe::tokenizer

#include "tokenizer/sentence_piece_bpe.h"

#include <algorithm>
#include <numeric>
#include <string>

namespace infe::tokenizer {
namespace {

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

}  // namespace

SentencePieceBpe::SentencePieceBpe(const Vocab& vocab, const TokenTable& table)
    : SpacedBpe(vocab, table), ranks_(RankByScore(vocab.scores)) {}

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

void SentencePieceBpe::MergeSymbols(std::string_view piece, MergeScratch& scratch) const {
  MergeAll(scratch, [&](const Symbol& left, const Symbol& right) -> MergeStep {
    const std::optional<TokenId> token =
        table_.FindNormal(piece.substr(left.begin, right.end - left.begin));
    if (!token) return {};
    return {ranks_[*token], *token};
  });
}

}  // namespace infe::tokenizer

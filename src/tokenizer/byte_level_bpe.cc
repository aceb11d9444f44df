#include "tokenizer/byte_level_bpe.h"

#include <bit>
#include <string>

#include "tokenizer/byte_level.h"

namespace infe::tokenizer {
namespace {

constexpr uint64_t kNoKey = ~uint64_t{0};  // kNoToken twice, which no rule has

uint64_t Key(TokenId left, TokenId right) {
  return uint64_t{left} << 32 | right;
}

struct Rule {
  TokenId left, right, merged;
};

// The token that is stored as this text. Never a control token: no merge may make one.
std::optional<TokenId> FindStored(std::string_view stored, const TokenTable& table) {
  const std::optional<std::string> bytes = DecodeByteLevel(stored);
  if (const std::optional<TokenId> token = table.FindNormal(bytes ? *bytes : stored)) return token;
  const std::optional<TokenId> named = table.FindName(stored);
  return named && table.ProducesText(*named) ? named : std::nullopt;
}

// "left right" to tokens. Errors: kCorrupt.
Result<Rule> ParseRule(const std::string& text, size_t rank, const TokenTable& table) {
  const auto fail = [&](const char* what) {
    return Corrupt("merge " + std::to_string(rank) + " (\"" + text + "\") " + what);
  };
  // A part is never empty, so a space in front would belong to it; stored spaces are U+0120.
  const size_t space = text.find(' ', 1);
  if (space == std::string::npos || space + 1 >= text.size()) return fail("is not a pair");
  std::string joined = text;
  joined.erase(space, 1);
  const std::optional<TokenId> left = FindStored(std::string_view(text).substr(0, space), table);
  const std::optional<TokenId> right = FindStored(std::string_view(text).substr(space + 1), table);
  const std::optional<TokenId> merged = FindStored(joined, table);
  if (!left || !right || !merged) return fail("names a token that is not in the vocabulary");
  return Rule{*left, *right, *merged};
}

}  // namespace

MergeTable::MergeTable(size_t rules_max)
    : slots_(std::bit_ceil(rules_max * 3 / 2 + 2), Slot{kNoKey, {}}) {}

size_t MergeTable::FirstSlot(uint64_t key) const {
  const uint64_t hash = key * 0x9E3779B97F4A7C15ull;
  return (hash ^ hash >> 32) & (slots_.size() - 1);
}

void MergeTable::Insert(TokenId left, TokenId right, MergeStep step) {
  const uint64_t key = Key(left, right);
  size_t at = FirstSlot(key);
  while (slots_[at].key != kNoKey) {
    if (slots_[at].key == key) return;
    at = (at + 1) & (slots_.size() - 1);
  }
  slots_[at] = {key, step};
}

MergeStep MergeTable::Find(TokenId left, TokenId right) const {
  const uint64_t key = Key(left, right);
  size_t at = FirstSlot(key);
  while (slots_[at].key != kNoKey) {
    if (slots_[at].key == key) return slots_[at].step;
    at = (at + 1) & (slots_.size() - 1);
  }
  return {};
}

ByteLevelBpe::ByteLevelBpe(const TokenTable& table, const PreTokenizerSpec& spec, size_t rules_max)
    : table_(table),
      pre_tokenizer_(spec.kind),
      merges_(rules_max),
      vocabulary_first_(spec.vocabulary_first),
      memo_(table.size()) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    byte_tokens_[byte] = table.FindNormal(std::string_view(&c, 1)).value_or(kNoToken);
  }
}

Result<std::unique_ptr<PieceEncoder>> ByteLevelBpe::Create(const Vocab& vocab,
                                                           const TokenTable& table) {
  const std::optional<PreTokenizerSpec> spec = FindPreTokenizer(vocab.pre_tokenizer);
  if (!spec) {
    return Unsupported("the pre-tokenizer \"" + vocab.pre_tokenizer +
                       "\" is not known; gpt-2, smollm, qwen2, llama-bpe and their kin are");
  }
  if (vocab.merges.empty()) return Corrupt("a vocabulary of kind gpt2 has no merges");
  std::unique_ptr<ByteLevelBpe> bpe(new ByteLevelBpe(table, *spec, vocab.merges.size()));
  for (size_t rank = 0; rank < vocab.merges.size(); ++rank) {
    INFE_ASSIGN(const Rule rule, ParseRule(vocab.merges[rank], rank, table));
    bpe->merges_.Insert(rule.left, rule.right, {static_cast<uint32_t>(rank), rule.merged});
  }
  return std::unique_ptr<PieceEncoder>(std::move(bpe));
}

void ByteLevelBpe::Merge(std::string_view piece, MergeScratch& scratch) const {
  scratch.symbols.clear();
  for (uint32_t i = 0; i < piece.size(); ++i) {
    const TokenId token = byte_tokens_[static_cast<uint8_t>(piece[i])];
    if (token != kNoToken) scratch.symbols.push_back({i, i + 1, token});
  }
  MergeAll(scratch, [this](const Symbol& left, const Symbol& right) {
    return merges_.Find(left.token, right.token);
  });
}

bool ByteLevelBpe::IsOneToken(TokenId token, std::string_view piece, MergeScratch& scratch) const {
  if (vocabulary_first_) return true;
  return memo_.IsWhole(token, [&] {
    Merge(piece, scratch);
    return scratch.symbols.size() == 1 && scratch.symbols[0].token == token;
  });
}

void ByteLevelBpe::Encode(std::string_view text, std::vector<TokenId>& out) const {
  MergeScratch scratch;
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = pre_tokenizer_.PieceEnd(text, at);
    const std::string_view piece = text.substr(at, end - at);
    at = end;
    const std::optional<TokenId> word = table_.FindNormal(piece);
    if (word && IsOneToken(*word, piece, scratch)) {
      out.push_back(*word);
      continue;
    }
    Merge(piece, scratch);
    for (const Symbol& symbol : scratch.symbols) out.push_back(symbol.token);
  }
}

}  // namespace infe::tokenizer

#include "tokenizer/tokenizer.h"

#include <algorithm>

#include "base/utf8.h"
#include "tokenizer/byte_level_bpe.h"
#include "tokenizer/character_bpe.h"
#include "tokenizer/end_of_generation.h"
#include "tokenizer/sentence_piece_bpe.h"
#include "tokenizer/unigram.h"
#include "tokenizer/word_piece.h"

namespace infe::tokenizer {
namespace {

constexpr size_t kTokensMax = size_t{1}
                              << 28;  // far above any vocabulary; ids stay clear of kNoToken
constexpr size_t kSliceBytes = size_t{1} << 30;  // encoders count bytes in 32 bits

Result<void> CheckShape(const Vocab& vocab) {
  const size_t count = vocab.tokens.size();
  if (count == 0 || count > kTokensMax)
    return Corrupt("a vocabulary of " + std::to_string(count) + " tokens");
  if (!vocab.types.empty() && vocab.types.size() != count) {
    return Corrupt("the vocabulary has " + std::to_string(count) + " tokens but " +
                   std::to_string(vocab.types.size()) + " token types");
  }
  for (const TokenType type : vocab.types)
    if (type > TokenType::kByte) return Corrupt("a token type is not one of 0 to 6");
  struct Named {
    const char* name;
    std::optional<TokenId> token;
  };
  for (const Named& special : {Named{"BOS", vocab.bos}, Named{"EOS", vocab.eos},
                               Named{"unknown", vocab.unknown}, Named{"padding", vocab.padding}}) {
    if (special.token && *special.token >= count) {
      return Corrupt(std::string("the ") + special.name + " token " +
                     std::to_string(*special.token) + " is outside the vocabulary of " +
                     std::to_string(count));
    }
  }
  return {};
}

enum class Family : uint8_t { kByteLevel, kSentencePiece, kCharacters, kWordPiece, kUnigram };

Result<Family> FamilyOf(const std::string& model) {
  if (model == "gpt2") return Family::kByteLevel;
  if (model == "llama") return Family::kSentencePiece;
  if (model == "gemma4") return Family::kCharacters;
  if (model == "bert") return Family::kWordPiece;
  if (model == "t5") return Family::kUnigram;
  return Unsupported("the tokenizer model \"" + model +
                     "\" is not known; gpt2, llama, gemma4, bert and t5 are");
}

Result<std::unique_ptr<PieceEncoder>> MakeEncoder(Family family, const Vocab& vocab,
                                                  const TokenTable& table) {
  switch (family) {
    case Family::kByteLevel:
      return ByteLevelBpe::Create(vocab, table);
    case Family::kSentencePiece:
      return SentencePieceBpe::Create(vocab, table);
    case Family::kCharacters:
      return CharacterBpe::Create(vocab, table);
    case Family::kWordPiece:
      return WordPiece::Create(vocab, table);
    case Family::kUnigram:
      return Unigram::Create(vocab, table);
  }
  __builtin_unreachable();
}

SpecialMatcher MakeMatcher(const TokenTable& table) {
  std::vector<SpecialMatcher::Entry> entries;
  for (TokenId token = 0; token < table.size(); ++token) {
    switch (table.Type(token)) {
      case TokenType::kControl:
      case TokenType::kUnknown:
        entries.push_back({table.Name(token), token, SpecialMatcher::Gate::kTrustedOnly});
        break;
      case TokenType::kUserDefined:
        entries.push_back({table.Name(token), token, SpecialMatcher::Gate::kAnywhere});
        break;
      case TokenType::kUndefined:
      case TokenType::kNormal:
      case TokenType::kUnused:
      case TokenType::kByte:
        break;
    }
  }
  return SpecialMatcher(entries);
}

}  // namespace

Tokenizer::~Tokenizer() = default;

Result<std::unique_ptr<Tokenizer>> Tokenizer::Create(Vocab vocab) {
  INFE_ASSIGN(const Family family, FamilyOf(vocab.model));
  INFE_TRY(CheckShape(vocab));
  std::unique_ptr<Tokenizer> result(new Tokenizer);
  const std::vector<TokenType> types = CorrectedTypes(vocab);
  INFE_ASSIGN(result->table_, TokenTable::Create(vocab, types));
  INFE_ASSIGN(result->encoder_, MakeEncoder(family, vocab, result->table_));
  result->specials_ = MakeMatcher(result->table_);
  result->end_of_generation_ = FindEndOfGeneration(vocab, types);
  result->bos_ = vocab.bos;
  result->eos_ = vocab.eos;
  result->unknown_ = vocab.unknown;
  result->padding_ = vocab.padding;
  const bool bos_default = family == Family::kByteLevel
                               ? FindPreTokenizer(vocab.pre_tokenizer)->add_bos  // it is known now
                               : true;
  result->add_bos_ = vocab.bos.has_value() && vocab.add_bos.value_or(bos_default);
  const bool reads_only = family == Family::kWordPiece || family == Family::kUnigram;
  result->add_eos_ = vocab.eos.has_value() && vocab.add_eos.value_or(reads_only);
  // RoBERTa's line ends the first text of a pair twice.
  if (family == Family::kUnigram && result->add_eos_) result->between_.push_back(*vocab.eos);
  const bool pieces = family == Family::kSentencePiece;
  result->add_space_prefix_ =
      (pieces || family == Family::kCharacters) && vocab.add_space_prefix.value_or(pieces);
  for (TokenId id = 0; id < result->table_.size(); ++id)
    result->token_bytes_max_ = std::max({result->token_bytes_max_, result->table_.Bytes(id).size(),
                                         result->table_.Name(id).size()});
  return result;
}

void Tokenizer::EncodeText(std::string_view text, std::vector<TokenId>& out) const {
  std::string prefixed;
  if (add_space_prefix_) {
    prefixed.reserve(text.size() + 1);
    prefixed += ' ';
    prefixed += text;
    text = prefixed;
  }
  for (; !text.empty(); text.remove_prefix(std::min(kSliceBytes, text.size())))
    encoder_->Encode(text.substr(0, kSliceBytes), out);
}

std::vector<TokenId> Tokenizer::Encode(std::string_view text, const EncodeOptions& options) const {
  const TextSpan everything{0, text.size()};
  std::span<const TextSpan> trusted;
  switch (options.special) {
    case SpecialTokens::kNone:
      break;
    case SpecialTokens::kTrusted:
      trusted = options.trusted;
      break;
    case SpecialTokens::kAll:
      trusted = {&everything, 1};
      break;
  }
  std::vector<TokenId> tokens;
  size_t at = 0;
  for (const SpecialMatcher::Match& match : specials_.FindAll(text, trusted)) {
    if (match.span.begin > at) EncodeText(text.substr(at, match.span.begin - at), tokens);
    tokens.push_back(match.token);
    at = match.span.end;
  }
  if (at < text.size()) EncodeText(text.substr(at), tokens);
  if (options.add_special == AddSpecial::kAsVocabulary) {
    if (add_bos_ && (tokens.empty() || tokens.front() != *bos_))
      tokens.insert(tokens.begin(), *bos_);
    if (add_eos_ && (tokens.empty() || tokens.back() != *eos_)) tokens.push_back(*eos_);
  }
  return tokens;
}

std::string_view Tokenizer::TextBytes(TokenId token, bool text_begins) const {
  std::string_view bytes = TokenBytes(token);
  if (add_space_prefix_ && text_begins && bytes.starts_with(' ') &&
      Type(token) != TokenType::kUserDefined)
    bytes.remove_prefix(1);
  return bytes;
}

std::string Tokenizer::Decode(std::span<const TokenId> tokens) const {
  std::string text;
  bool text_begins = true;
  for (const TokenId token : tokens) {
    text += TextBytes(token, text_begins);
    text_begins = EndsText(token);
  }
  return text;
}

std::string Tokenizer::TokenText(TokenId token) const {
  const std::string_view name = table_.Name(token);
  return SanitizeUtf8(name.empty() ? TokenBytes(token) : name);
}

bool Tokenizer::IsEndOfGeneration(TokenId token) const {
  return std::binary_search(end_of_generation_.begin(), end_of_generation_.end(), token);
}

std::optional<TokenId> Tokenizer::Find(std::string_view text) const {
  if (const std::optional<TokenId> special = table_.FindName(text)) return special;
  return table_.FindNormal(text);
}

}  // namespace infe::tokenizer

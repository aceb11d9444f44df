// TokenTable: what each token is: its type, its raw bytes, and its name if it is special.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/token_id.h"
#include "tokenizer/token_index.h"
#include "tokenizer/vocab.h"

namespace infe::tokenizer {

class TokenTable {
 public:
  TokenTable() = default;
  // types: as Vocab::types, already corrected; same length as vocab.tokens. Errors: kCorrupt for a
  // byte token that is not written <0xAB>.
  static Result<TokenTable> Create(const Vocab& vocab, std::vector<TokenType> types);

  size_t size() const { return types_.size(); }
  TokenType Type(TokenId token) const {
    return token < size() ? types_[token] : TokenType::kUnused;
  }
  bool ProducesText(TokenId token) const {
    const TokenType type = Type(token);
    return type == TokenType::kNormal || type == TokenType::kUserDefined ||
           type == TokenType::kByte;
  }
  // Empty for tokens that produce no text.
  std::string_view Bytes(TokenId token) const {
    if (token >= size()) return {};
    return std::string_view(bytes_).substr(offsets_[token], offsets_[token + 1] - offsets_[token]);
  }
  // The stored text of a token that is not normal or byte; empty for the others.
  std::string_view Name(TokenId token) const;
  std::optional<TokenId> FindName(std::string_view name) const;
  // A normal token with exactly these bytes; user_defined and byte tokens are not found.
  std::optional<TokenId> FindNormal(std::string_view bytes) const {
    if (bytes.size() > normal_bytes_max_) return std::nullopt;
    return index_.Find(bytes, [this](TokenId token) { return Bytes(token); });
  }
  // Length of the longest normal token.
  size_t normal_bytes_max() const { return normal_bytes_max_; }

 private:
  std::vector<TokenType> types_;
  std::string bytes_;              // of all tokens, one after the other
  std::vector<uint32_t> offsets_;  // into bytes_; size() + 1
  std::map<TokenId, std::string> names_;
  std::map<std::string, TokenId, std::less<>> by_name_;
  TokenIndex index_;
  size_t normal_bytes_max_ = 0;
};

}  // namespace infe::tokenizer

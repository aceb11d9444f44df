#include "tokenizer/token_table.h"

#include <algorithm>
#include <charconv>

#include "tokenizer/byte_level.h"

namespace infe::tokenizer {
namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581 stands for a space

std::string UnmarkSpaces(std::string_view text) {
  std::string out;
  size_t at = 0;
  while (true) {
    const size_t mark = text.find(kSpaceMark, at);
    if (mark == std::string_view::npos) break;
    out.append(text, at, mark - at);
    out += ' ';
    at = mark + kSpaceMark.size();
  }
  out.append(text, at);
  return out;
}

// "<0x0A>" to the byte.
std::optional<char> ParseByteToken(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return std::nullopt;
  int value = 0;
  const auto [end, error] = std::from_chars(text.data() + 3, text.data() + 5, value, 16);
  if (error != std::errc() || end != text.data() + 5) return std::nullopt;
  return static_cast<char>(value);
}

}  // namespace

Result<TokenTable> TokenTable::Create(const Vocab& vocab, std::vector<TokenType> types) {
  const bool byte_level = vocab.model == "gpt2";
  TokenTable table;
  table.types_ = std::move(types);
  table.offsets_.reserve(table.size() + 1);
  for (TokenId token = 0; token < table.size(); ++token) {
    table.offsets_.push_back(static_cast<uint32_t>(table.bytes_.size()));
    const std::string& text = vocab.tokens[token];
    switch (table.types_[token]) {
      case TokenType::kUndefined:
        table.types_[token] = TokenType::kNormal;
        [[fallthrough]];
      case TokenType::kNormal:
        table.bytes_ += byte_level ? DecodeByteLevel(text).value_or(text) : UnmarkSpaces(text);
        table.normal_bytes_max_ =
            std::max(table.normal_bytes_max_, table.bytes_.size() - table.offsets_.back());
        break;
      case TokenType::kUserDefined:
        table.names_[token] = byte_level ? text : UnmarkSpaces(text);
        table.bytes_ += table.names_[token];
        break;
      case TokenType::kByte: {
        const std::optional<char> byte = ParseByteToken(text);
        if (!byte)
          return Corrupt("token " + std::to_string(token) + " is of type byte but not <0xAB>");
        table.bytes_ += *byte;
        break;
      }
      case TokenType::kUnknown:
      case TokenType::kControl:
      case TokenType::kUnused:
        table.names_[token] = text;
        break;
    }
    if (table.bytes_.size() > UINT32_MAX) return Corrupt("the vocabulary is larger than 4 GiB");
  }
  table.offsets_.push_back(static_cast<uint32_t>(table.bytes_.size()));
  for (const auto& [token, name] : table.names_) table.by_name_.emplace(name, token);
  table.index_ = TokenIndex(table.size());
  for (TokenId token = 0; token < table.size(); ++token)
    if (table.types_[token] == TokenType::kNormal)
      table.index_.Insert(token, [&](TokenId id) { return table.Bytes(id); });
  return table;
}

std::string_view TokenTable::Name(TokenId token) const {
  const auto it = names_.find(token);
  return it == names_.end() ? std::string_view() : std::string_view(it->second);
}

std::optional<TokenId> TokenTable::FindName(std::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? std::nullopt : std::optional(it->second);
}

}  // namespace infe::tokenizer

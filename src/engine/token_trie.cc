#include "engine/token_trie.h"

#include <algorithm>

namespace infe::engine {

Result<std::shared_ptr<const grammar::TokenTrie>> BuildTokenTrie(
    const tokenizer::Tokenizer& tokenizer, std::span<const tokenizer::TokenId> end_tokens) {
  grammar::TokenTable table;
  table.bytes.reserve(tokenizer.size());
  for (tokenizer::TokenId id = 0; id < tokenizer.size(); ++id) {
    table.bytes.emplace_back(tokenizer.TokenBytes(id));
    const bool ends = std::find(end_tokens.begin(), end_tokens.end(), id) != end_tokens.end();
    if (tokenizer.Type(id) == tokenizer::TokenType::kControl && !ends)
      table.special_tokens.push_back(id);
  }
  table.end_tokens.assign(end_tokens.begin(), end_tokens.end());
  return grammar::TokenTrie::Build(std::move(table));
}

}  // namespace infe::engine

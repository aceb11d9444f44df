// A model's vocabulary as grammars see it.
#pragma once

#include <memory>
#include <span>

#include "base/result.h"
#include "grammar/token_trie.h"
#include "tokenizer/tokenizer.h"

namespace infe::engine {

// end_tokens: legal exactly where a text is complete. Other control tokens never match by text.
Result<std::shared_ptr<const grammar::TokenTrie>> BuildTokenTrie(
    const tokenizer::Tokenizer& tokenizer, std::span<const tokenizer::TokenId> end_tokens);

}  // namespace infe::engine

// Which tokens end a generation: the vocabulary's own marks and names that the field uses for it.
#pragma once

#include <string_view>
#include <vector>

#include "tokenizer/vocab.h"

namespace infe::tokenizer {

// Names such as <|im_end|> that are control tokens whatever type a model file gives them: a file
// that lists one as plain text would let users write it.
bool IsEndOfGenerationName(std::string_view name);

// Ascending, without repetition; ids in range only. types: corrected, per token.
std::vector<TokenId> FindEndOfGeneration(const Vocab& vocab, const std::vector<TokenType>& types);

}  // namespace infe::tokenizer

// Which tokens end a generation: the vocabulary's own marks and names that the field uses for it.
#pragma once

#include <vector>

#include "tokenizer/vocab.h"

namespace infe::tokenizer {

// Vocab::types, one per token, with the mistakes of model files mended: a token named like an end
// mark
// (<|im_end|>) is a control token whatever the file says, or users could write it. </s> is one
// where <s> is a control token; in Gemma both are HTML tags.
std::vector<TokenType> CorrectedTypes(const Vocab& vocab);

// Ascending, without repetition; ids in range only. types: corrected.
std::vector<TokenId> FindEndOfGeneration(const Vocab& vocab, const std::vector<TokenType>& types);

}  // namespace infe::tokenizer

// A token is its row in the vocabulary and in the model's embedding.
#pragma once

#include <cstdint>

namespace infe::tokenizer {

using TokenId = uint32_t;

}  // namespace infe::tokenizer

// The number of a token in its vocabulary.
#pragma once

#include <cstdint>

namespace infe::tokenizer {
using TokenId = uint32_t;
}  // namespace infe::tokenizer

// What pre-tokenizers ask about a code point: letter (\p{L}), number (\p{N}), punctuation (\p{P}),
// mark (\p{M}), white space (\s, Unicode's White_Space). The categories are utf8proc's, brought up
// to Unicode 16.0.
#pragma once

#include <cstdint>
#include <vector>

namespace infe::tokenizer {

enum CharClass : uint8_t {
  kOther = 0,
  kLetter = 1,
  kNumber = 2,
  kSpace = 4,    // with kNewline
  kNewline = 8,  // \r and \n, beside kSpace
  kPunctuation = 16,
  kMark = 32,    // \p{M}
  kUpper = 64,   // \p{Lu} and \p{Lt}, beside kLetter
  kLower = 128,  // \p{Ll}, beside kLetter
};

// Three further questions, asked of few characters: \p{Nd}; \p{S}; the script Han (Scripts.txt).
bool IsDecimalDigit(uint32_t code_point);
bool IsSymbol(uint32_t code_point);
bool IsHan(uint32_t code_point);

// A two-stage table over all code points, about 50 KiB.
class CharClasses {
 public:
  // Built at the first call, in some milliseconds; constant afterwards.
  static const CharClasses& Get();

  // Bits of CharClass. Code points past U+10FFFF are kOther.
  uint8_t Of(uint32_t code_point) const {
    if (code_point > 0x10FFFF) return kOther;
    return blocks_[block_of_[code_point >> 8]][code_point & 0xFF];
  }

 private:
  struct Block {
    uint8_t classes[256];
    uint8_t operator[](uint32_t i) const { return classes[i]; }
  };
  CharClasses();

  uint16_t block_of_[0x1100];
  std::vector<Block> blocks_;  // distinct ones
};

}  // namespace infe::tokenizer

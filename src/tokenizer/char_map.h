// CharMap: what SentencePiece makes of characters before it looks for pieces: a table of strings
// that are replaced (compatibility forms, odd spaces, controls), packed into a double array. The
// format of precompiled_charsmap: the bytes of the array (u32), the array (u32 each), texts that
// end with a zero byte; all little-endian. Aoe 1989; Kudo & Richardson 2018.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace infe::tokenizer {

class CharMap {
 public:
  // Of the table's bytes; empty: every character stays. kCorrupt for what is no such table.
  static Result<CharMap> Create(std::string_view bytes);

  struct Step {
    std::string_view becomes;  // of the table, or of the text
    size_t length = 0;         // bytes of the text that it stands for, > 0
  };
  // What the text begins with: the longest string that is replaced, or one character, which is
  // U+FFFD where the text is malformed. text: not empty.
  Step Next(std::string_view text) const;

 private:
  std::vector<uint32_t> units_;
  std::string texts_;
};

}  // namespace infe::tokenizer

// A lexeme: what one terminal of a grammar matches, as a regex over code points together with the
// way in which the code points are written as bytes. Patterns, lengths and AND/NOT are stated over
// the text that is meant; the spelling (UTF-8, JSON escapes) is a small transducer beside the
// regex.
#pragma once

#include <cstdint>
#include <string>

#include "grammar/regex_pool.h"

namespace infe::grammar {

enum class Spelling : uint8_t {
  kUtf8,           // code points as UTF-8
  kBytes,          // each byte is a symbol 0..255: free text, special tokens
  kJsonString,     // "..." with every legal escape that means something: under a pattern, letters,
                   // digits and other plain ASCII are written as themselves
  kJsonCanonical,  // "..." with the one spelling that Python's json.dumps(ensure_ascii=False)
                   // writes
  kJsonInside,     // characters inside such a string, without the quotes: a text of many lexemes
};

using LexemeId = uint32_t;

struct Lexeme {
  Spelling spelling = Spelling::kUtf8;
  RegexId content = kNothing;
  RegexId tail = kEmptyText;  // after the closing quote of a JSON string, as kUtf8: a key's colon
  // Length of a JSON string in code points, kept beside the regex, whose own lengths are then
  // dense: any text of min_chars..max_chars from any state can be finished. 0 and kUnbounded when
  // unused.
  uint32_t min_chars = 0;
  uint32_t max_chars = kUnbounded;
  bool last = false;  // nothing but the end of the text may follow
  // One of a list, by which something is said: which tool, which value of an enum. Where there is
  // no room for it no other is taken instead (Matcher::PicksListed).
  bool listed = false;

  bool windowed() const { return min_chars != 0 || max_chars != kUnbounded; }
  bool quoted() const {
    return spelling == Spelling::kJsonString || spelling == Spelling::kJsonCanonical;
  }
  // The one spelling of json.dumps; otherwise as kJsonString.
  bool canonical() const {
    return spelling == Spelling::kJsonCanonical || spelling == Spelling::kJsonInside;
  }
  bool operator==(const Lexeme&) const = default;
};

}  // namespace infe::grammar

// How values are written where a model's calls are no JSON: arguments between tags, keyword
// arguments, objects with bare keys. The schema that they follow is the same one.
#pragma once

#include <string>

namespace infe::grammar {

struct Notation {
  enum class Inside {
    kJson,  // lists and objects that are values are written as JSON
    kSame,  // as the outermost object is, but in braces
  };

  std::string open = {};           // of the outermost object
  std::string key_begin = {};      // then the key
  std::string key_end = {};        // between a key and a text
  std::string other_key_end = {};  // between a key and anything else; mostly the same
  // Around a text, which is written without escapes and does not hold text_end. Both empty: the
  // text goes up to value_end. Between single quotes it has no quotes, backslashes or newlines, and
  // JSON's strings may be written instead.
  std::string text_begin = {};
  std::string text_end = {};
  std::string value_end = {};  // behind each value of the outermost object
  std::string separator = {};
  std::string close = {};
  std::string true_word = "true";
  std::string false_word = "false";
  std::string null_word = "null";
  Inside inside = Inside::kJson;
};

}  // namespace infe::grammar

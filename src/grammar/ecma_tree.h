// What an ECMA 262 pattern says, as a tree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "grammar/char_set.h"

namespace infe::grammar {

struct EcmaTree {
  enum class Kind { kEmpty, kSet, kConcat, kOr, kRepeat, kStart, kEnd, kAhead };
  Kind kind = Kind::kEmpty;
  CharSet set;
  std::vector<std::unique_ptr<EcmaTree>> children;
  uint32_t min = 0;
  uint32_t max = 0;
  size_t at = 0;            // the byte where it begins
  bool negative = false;    // of lookahead
  bool has_ahead = false;   // here or below
  bool has_anchor = false;  // here or below: ^ or $

  void Take(std::unique_ptr<EcmaTree> child) {
    has_ahead = has_ahead || child->has_ahead;
    has_anchor = has_anchor || child->has_anchor;
    children.push_back(std::move(child));
  }
};
using EcmaTreePtr = std::unique_ptr<EcmaTree>;

// Errors: those of CompilePattern (ecma_regex.h), the pool's aside. Groups inside each other are
// bounded by kRegexDepthMax.
Result<EcmaTreePtr> ParseEcmaPattern(std::string_view pattern);

}  // namespace infe::grammar

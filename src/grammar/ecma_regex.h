// ECMA 262 patterns, as JSON Schema uses them, to regexes over whole texts. A pattern matches
// anywhere in a text unless anchored, so "^a" becomes a.* and "a" becomes .*a.*. Lookahead outside
// of repeats is exact: (?=x)y is AND, (?!x)y is AND NOT.
#pragma once

#include <string_view>

#include "base/result.h"
#include "grammar/regex_pool.h"

namespace infe::grammar {

enum class PatternMode {
  kSearch,  // some part of the text matches (JSON Schema's `pattern`)
  kWhole,   // the whole text matches
};

// Errors: kInvalidArgument for a malformed pattern; kUnsupported for back references, lookbehind,
// lookahead inside a repeat, word borders and Unicode properties; kResourceExhausted past a limit.
Result<RegexId> CompilePattern(RegexPool& pool, std::string_view pattern,
                               PatternMode mode = PatternMode::kSearch);

}  // namespace infe::grammar

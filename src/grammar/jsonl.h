// The developer command `infe grammar`: grammars and instances as JSON lines in, verdicts and times
// as JSON lines out. No model is run; instances are fed token by token with a mask at each step.
//
// In:  {"schema": {...}, "instances": ["text", ...]}, or with "grammar" (GBNF), "lark", "regex" or
//      "choice" in place of "schema"; "options": {"strict", "whitespace": "bounded|compact|exact",
//      "key_order": "declared|any", "formats": bool, "integers_with_fraction": bool,
//      "default_dialect"}; "id": anything, given back; "times", "masks": true for those of every
//      step. An instance may be a list of token ids.
// Out: {"status": "ok|named|refused", "reason", "path" ("" when ok), "named": [...], "results":
// [true|false],
//      "details": [{"accepted", "tokens", "at" (bytes taken, when refused), "masks": [before each
//      token and at the end; hexadecimal, digit i holds tokens 4i..4i+3, the lowest bit first]}],
//      "compile_us", "mask_us": {"avg","p50","p99", "max", "count"}}; times are processor time of
//      the one thread
#pragma once

#include <functional>
#include <iosfwd>
#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "grammar/token_trie.h"

namespace infe::grammar {

// Text to tokens, as the model's tokenizer does it.
using EncodeFunction = std::function<std::vector<uint32_t>(std::string_view)>;

struct JsonLinesOptions {
  bool check_masks = false;  // compare each mask with trying every token; slow
};

// Reads until the end of in. Errors: kInvalidArgument for a line that is no such request.
Result<void> RunGrammarJsonLines(std::istream& in, std::ostream& out,
                                 std::shared_ptr<const TokenTrie> trie,
                                 const EncodeFunction& encode,
                                 const JsonLinesOptions& options = {});

}  // namespace infe::grammar

// One sequence's place in a compiled grammar: which tokens may follow, and what the text so far
// means. The engine drives it; everything else about grammars stays behind it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"

namespace infe::grammar {

// Bit i of words[i / 64] tells whether token i may follow. Ids past the view are forbidden.
struct TokenMaskView {
  std::span<const uint64_t> words;
};

// Where a rule of the grammar begins or ends in the text.
struct GrammarEvent {
  uint32_t tag = 0;
  size_t byte_offset = 0;  // from the start of the generated text
};

// One thread at a time; never throws.
class Matcher {
 public:
  virtual ~Matcher() = default;
  virtual Result<TokenMaskView> Mask() = 0;  // valid until the next call
  virtual bool Allows(uint32_t token) = 0;   // sample-first path, no mask
  virtual Result<void> Accept(uint32_t token) = 0;
  virtual size_t AcceptPrefix(std::span<const uint32_t> draft) = 0;  // commits the legal prefix; its length
  virtual void Rollback(size_t tokens) = 0;
  virtual std::unique_ptr<Matcher> Fork() const = 0;     // O(1), rows shared
  virtual bool IsComplete() const = 0;                   // an end token is legal
  virtual std::string ForcedBytes() = 0;                 // what every continuation starts with
  virtual std::optional<size_t> FinishBound() const = 0;  // bytes to a complete text; nullopt: unknown
  virtual std::span<const GrammarEvent> TakeEvents() = 0;
};

}  // namespace infe::grammar

// One sequence's place in a compiled grammar: which tokens may follow, and what is fixed already.
// This is all that the engine sees of constrained decoding.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/fuel.h"
#include "base/result.h"
#include "grammar/grammar.h"
#include "grammar/token_trie.h"

namespace infe::grammar {

// Bit i set: token i may follow. Words are those of the matcher; see Mask().
struct TokenMaskView {
  std::span<const uint64_t> words;
  uint32_t vocab_size = 0;

  bool Allows(uint32_t token) const {
    return token < vocab_size && ((words[token / 64] >> (token % 64)) & 1) != 0;
  }
  size_t Count() const;
};

// A border of the grammar that the text has crossed: a mark set by the combinators (combine.h).
struct GrammarEvent {
  uint32_t tag = 0;   // index into Grammar::tags()
  size_t offset = 0;  // bytes of text in front of the border
  bool operator==(const GrammarEvent&) const = default;
};

// One thread at a time; forks of one matcher may be used by different threads. Never throws. After
// an error from Mask or Accept the text so far stays as it was; the request has to end.
//
// Every call works within a budget: the one that SetFuel gave, or one of its own with the bounds of
// limits.h. Where a budget runs out, calls with a Result give its refusal (kResourceExhausted for
// steps, bytes and time), the others false or nothing; Fuel::empty tells. Then the text so far
// stays as it was too, and the call may be made again with more: it goes on from what it has
// learnt.
class Matcher {
 public:
  virtual ~Matcher() = default;
  // What pays for the calls that follow; null: each has a budget of its own. Outlives them.
  virtual void SetFuel(Fuel*) {}
  // Valid until the next call. Errors: a limit of limits.h is reached (kResourceExhausted).
  virtual Result<TokenMaskView> Mask() = 0;
  // Whether one token may follow, without a mask.
  virtual bool Allows(uint32_t token) = 0;
  // Errors: the token may not follow (kInvalidArgument), or a limit.
  virtual Result<void> Accept(uint32_t token) = 0;
  // Takes the longest legal beginning of draft and returns its length.
  virtual size_t AcceptPrefix(std::span<const uint32_t> draft) = 0;
  virtual void Rollback(size_t tokens) = 0;           // CHECKs that as many were accepted
  virtual std::unique_ptr<Matcher> Fork() const = 0;  // O(1), everything read so far is shared
  virtual bool IsComplete() const = 0;                // an end token is legal
  // Whether the text is complete and nothing in it is under way that could go on, as a number or
  // free text could: a text cut here has lost nothing of what it had begun to say.
  virtual bool IsWhole() const { return false; }
  // What every continuation starts with; empty if nothing is fixed. Bounded by kForcedBytesMax.
  virtual std::string ForcedBytes() = 0;
  // Bytes of a short way to a complete text: an upper bound of the tokens needed, because every
  // byte has a token. nullopt: not known.
  virtual std::optional<size_t> FinishBound() const = 0;
  // Tokens of such a way, the fewest; nullopt as for FinishText.
  virtual std::optional<size_t> FinishTokens() = 0;
  // The text of such a way; "" when complete, nullopt when not known or past kFinishBytesMax.
  virtual std::optional<std::string> FinishText() = 0;
  // Only tokens on that way: taking any of them, again and again, ends the text within FinishBound
  // tokens. For closing a text before a limit. Falls back to Mask() when no way is known.
  virtual Result<TokenMaskView> MaskToFinish() = 0;
  // For bringing a JSON text to its end without haste. Whether the token begins an optional
  // item of an array or member of an object (it writes a comma, or the first of them, where the
  // closing bracket could stand), or one more word of a string that could be closed.
  virtual bool PassesAnEnd(uint32_t) { return false; }
  // Whether the token begins what the text could do without: an item or member where the closing
  // bracket could stand, the first one too, or anything that must go on behind a text that was
  // complete. Whoever closes a text before a limit begins none that there is no room for.
  virtual bool BeginsOptional(uint32_t) { return false; }
  // Whether the token, which the mask allows, and the short way to the end say different things of
  // a list: another tool, another value of an enum. No limit may decide that.
  virtual bool PicksListed(uint32_t) { return false; }
  // Whether the text stands inside a JSON string that is no key; where nothing of it has been
  // written yet.
  enum class StringPlace { kOutside, kStart, kInside };
  virtual StringPlace InStringValue() { return StringPlace::kOutside; }
  // Whether the text stands in a key of its own choice that has kLongKeyBytes already and can be
  // closed: nobody wants such a key, a small model that lost its way writes it.
  virtual bool InLongKey() { return false; }
  // Events since the last call, oldest first. Valid until the next call.
  virtual std::span<const GrammarEvent> TakeEvents() = 0;
};

// Both are shared: a grammar is kept by the compile cache and by its matchers, the trie by the
// model.
std::unique_ptr<Matcher> NewMatcher(std::shared_ptr<const Grammar> grammar,
                                    std::shared_ptr<const TokenTrie> trie);

}  // namespace infe::grammar

// A sequence's grammar as the engine uses it: the mask of the next token as a bitset and, where few
// tokens may follow, as a list; masks along a draft; tokens that bring the text to its end before
// the limit. Wraps grammar::Matcher; engine thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "tokenizer/token_id.h"

namespace infe::grammar {
class Matcher;
}

namespace infe::engine {

using tokenizer::TokenId;

// Which tokens may follow in one state.
struct MaskState {
  std::vector<uint64_t> words;   // bit i: token i may follow
  uint32_t count = 0;            // of them
  std::vector<TokenId> allowed;  // ascending; only filled if count is at most the sparse limit
  bool sparse() const { return !allowed.empty() || count == 0; }
};

class Constraint {
 public:
  // With at most vocabulary / kSparseShare tokens allowed, their rows of the head alone are
  // cheaper.
  static constexpr uint32_t kSparseShare = 8;

  Constraint(std::unique_ptr<grammar::Matcher> matcher, uint32_t vocabulary);
  ~Constraint();

  // The mask of the present state; computed once per state. An error ends the request.
  Result<const MaskState*> Mask();
  // The mask of tokens on a shortest way to the end of the text.
  Result<MaskState> MaskToFinish();
  // The masks after each token of a draft: masks[i] after draft[0..i]. The draft is first cut at
  // its first illegal token. The state does not change.
  Result<std::vector<MaskState>> MasksAlong(std::vector<TokenId>& draft);
  Result<void> Accept(TokenId token);
  // Undoes the last `tokens` accepts.
  void Rollback(uint32_t tokens);
  // True if the text may end here.
  bool IsComplete() const;
  // Bytes that still have to come, at least; nullopt: unknown.
  std::optional<size_t> FinishBound() const;
  // Tokens of a short way to the end; nullopt: unknown.
  std::optional<size_t> FinishTokens();
  // See grammar::Matcher.
  bool PassesAnEnd(TokenId token);
  bool InLongKey();
  // The bytes that every continuation begins with.
  std::string ForcedBytes();

 private:
  Result<void> Compute(MaskState& state);
  void Fill(std::span<const uint64_t> from, MaskState& state) const;

  std::unique_ptr<grammar::Matcher> matcher_;
  const uint32_t vocabulary_;
  MaskState mask_;
  bool mask_valid_ = false;
};

}  // namespace infe::engine

// A sequence's grammar as the engine uses it: the mask of the next token as a bitset and, where few
// tokens may follow, as a list; masks along a draft; tokens that bring the text to its end before
// the limit. Wraps grammar::Matcher.
//
// What is asked of one state is computed once and kept until the state changes. So an answer that
// is too dear for the engine's thread may be computed by another (GrammarWorker) and is there when
// the engine asks again. It belongs to one thread at a time and goes from one to the other by
// ownership.
//
// Every question spends the fuel of SetFuel. Where that runs out, questions with a Result give its
// refusal, the others no answer, and ran_out() is true; the same question may be asked again.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/fuel.h"
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

  // What pays for the questions that follow; null: each has a budget of its own. Outlives them.
  void SetFuel(Fuel* fuel);
  bool ran_out() const { return fuel_ != nullptr && fuel_->empty(); }

  // The mask of the present state. An error ends the request.
  Result<const MaskState*> Mask();
  // The mask of tokens on a shortest way to the end of the text.
  Result<const MaskState*> MaskToFinish();
  // The masks after each token of a draft: masks[i] after draft[0..i]. The draft is first cut at
  // its first illegal token, or where the fuel ends. The state does not change.
  std::vector<MaskState> MasksAlong(std::vector<TokenId>& draft);
  Result<void> Accept(TokenId token);
  // True if the text may end here.
  bool IsComplete() const;
  // See grammar::Matcher.
  bool IsWhole() const;
  // Whether the text can be finished with so many tokens.
  Result<bool> Fits(size_t tokens);
  // How a text is being brought to its end.
  struct Closing {
    size_t left = 0;            // tokens that may follow the one that is asked about
    bool winding_down = false;  // no optional item of an array or object, no word is begun
    bool operator==(const Closing&) const = default;
  };
  enum class Fit {
    kNot,   // the text cannot be finished in time any more
    kJust,  // it can, but what the token begins, or a string that must follow, gets no room
    kWell,
    kPicked,  // it cannot, but another would say another thing: better cut than that
  };
  // Whether a token that the mask allows keeps to that. One Closing per state.
  Result<Fit> Keeps(TokenId token, const Closing& closing);
  // Whether ending what is under way for want of room leaves out what no reader can see is missing:
  // free text that could go on, a string of which nothing has been said.
  Result<bool> LosesUnseen(const Closing& closing);
  // See grammar::Matcher.
  Result<bool> InLongKey();
  // The bytes that every continuation begins with, as far as the fuel lasts.
  std::string ForcedBytes();

 private:
  Result<void> Compute(MaskState& state);
  void Fill(std::span<const uint64_t> from, MaskState& state) const;
  // A short way to the end, as far as it matters.
  struct Way {
    std::optional<size_t> tokens;  // nullopt: no room for it
    bool far = false;              // from the limit: nothing else need be known
    size_t empty_strings = 0;      // that it writes
  };
  Result<Way> WayWithin(size_t left);
  Result<size_t> EmptyStrings();
  Result<Fit> Judge(TokenId token, const Closing& closing);
  Result<bool> Picks(TokenId token);
  Result<bool> FitsNow(size_t tokens);
  Result<void> Ran() const;  // the refusal, if the fuel has run out
  void Forget();             // what is known of the present state

  std::unique_ptr<grammar::Matcher> matcher_;
  const uint32_t vocabulary_;
  Fuel* fuel_ = nullptr;
  // Of the present state.
  MaskState mask_;
  bool mask_valid_ = false;
  std::optional<MaskState> finish_;
  std::optional<std::pair<size_t, bool>> fits_;
  std::optional<bool> long_key_;
  std::optional<bool> loses_;
  std::unordered_map<TokenId, Fit> keeps_;
};

}  // namespace infe::engine

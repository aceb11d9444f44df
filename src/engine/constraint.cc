#include "engine/constraint.h"

#include <algorithm>

#include "base/check.h"
#include "grammar/matcher.h"

namespace infe::engine {
namespace {

// Near the limit an optional part is begun only where its shortest form fits twice, and with so
// many tokens to spare: one that is begun only to be closed says nothing.
constexpr size_t kBeginRoomMin = 8;
// Tokens that a string leaves for each string that has to follow it.
constexpr size_t kStringRoom = 4;

}  // namespace

Constraint::Constraint(std::unique_ptr<grammar::Matcher> matcher, uint32_t vocabulary)
    : matcher_(std::move(matcher)), vocabulary_(vocabulary) {
  INFE_CHECK(matcher_ != nullptr);
}

Constraint::~Constraint() = default;

Result<void> Constraint::Compute(MaskState& state) {
  INFE_ASSIGN(const grammar::TokenMaskView view, matcher_->Mask());
  Fill(view.words, state);
  return {};
}

void Constraint::SetFuel(Fuel* fuel) {
  fuel_ = fuel;
  matcher_->SetFuel(fuel);
}

Result<void> Constraint::Ran() const {
  if (ran_out()) return fuel_->Refusal("the grammar's next token");
  return {};
}

Result<const MaskState*> Constraint::MaskToFinish() {
  if (!finish_) {
    INFE_ASSIGN(const grammar::TokenMaskView view, matcher_->MaskToFinish());
    Fill(view.words, finish_.emplace());
  }
  return const_cast<const MaskState*>(&*finish_);
}

void Constraint::Fill(std::span<const uint64_t> from, MaskState& state) const {
  const size_t words = (vocabulary_ + 63) / 64;
  state.words.assign(words, 0);
  std::copy_n(from.begin(), std::min(words, from.size()), state.words.begin());
  if (vocabulary_ % 64 != 0) state.words.back() &= ~uint64_t{0} >> (64 - vocabulary_ % 64);
  state.count = 0;
  for (const uint64_t word : state.words) {
    state.count += static_cast<uint32_t>(__builtin_popcountll(word));
  }
  state.allowed.clear();
  if (state.count > std::max(1u, vocabulary_ / kSparseShare)) return;
  for (size_t w = 0; w < words; ++w) {
    for (uint64_t word = state.words[w]; word != 0; word &= word - 1) {
      state.allowed.push_back(
          static_cast<TokenId>(64 * w + static_cast<size_t>(__builtin_ctzll(word))));
    }
  }
}

Result<const MaskState*> Constraint::Mask() {
  if (!mask_valid_) {
    INFE_TRY(Compute(mask_));
    mask_valid_ = true;
  }
  return const_cast<const MaskState*>(&mask_);
}

std::vector<MaskState> Constraint::MasksAlong(std::vector<TokenId>& draft) {
  draft.resize(matcher_->AcceptPrefix(draft));
  if (!draft.empty()) matcher_->Rollback(draft.size());
  std::vector<MaskState> masks(draft.size());
  size_t accepted = 0;
  for (size_t i = 0; i < draft.size(); ++i) {
    // A draft is no reason to fail: it is cut here. (Accept takes nothing when it fails.)
    if (matcher_->Accept(draft[i])) {
      ++accepted;
      if (Compute(masks[i])) continue;
    }
    masks.resize(i);
    draft.resize(i);
  }
  if (accepted > 0) matcher_->Rollback(accepted);
  return masks;
}

Result<void> Constraint::Accept(TokenId token) {
  INFE_TRY(matcher_->Accept(token));
  Forget();
  return {};
}

void Constraint::Forget() {
  mask_valid_ = false;
  finish_.reset();
  fits_.reset();
  long_key_.reset();
  loses_.reset();
  keeps_.clear();
}

bool Constraint::IsWhole() const {
  return matcher_->IsWhole();
}

bool Constraint::IsComplete() const {
  return matcher_->IsComplete();
}

// A token is at least a byte, so a bound in bytes is one in tokens; where it is too high, the
// tokens of a finishing text are counted.
Result<bool> Constraint::FitsNow(size_t tokens) {
  const auto bound = matcher_->FinishBound();
  INFE_TRY(Ran());
  if (!bound) return false;
  if (*bound <= tokens) return true;
  const auto counted = matcher_->FinishTokens();
  INFE_TRY(Ran());
  return counted && *counted <= tokens;
}

Result<bool> Constraint::Fits(size_t tokens) {
  if (!fits_ || fits_->first != tokens) {
    INFE_ASSIGN(const bool fits, FitsNow(tokens));
    fits_ = {tokens, fits};
  }
  return fits_->second;
}

// Strings that a short way to the end writes empty, one under way not counted.
Result<size_t> Constraint::EmptyStrings() {
  const auto text = matcher_->FinishText();
  INFE_TRY(Ran());
  size_t count = 0;
  if (!text) return count;
  // Not a key: those are empty only where a schema says so.
  for (size_t at = text->find("\"\""); at != std::string::npos; at = text->find("\"\"", at + 2))
    count += at + 2 < text->size() && (*text)[at + 2] == ':' ? 0 : 1;
  return count;
}

Result<Constraint::Way> Constraint::WayWithin(size_t left) {
  Way way;
  const auto bound = matcher_->FinishBound();
  INFE_TRY(Ran());
  if (!bound) return way;
  // What is begun, and every string that must follow, is part of the bound.
  way.far = (1 + kStringRoom / 2) * *bound + kBeginRoomMin <= left;
  if (way.far) {
    way.tokens = *bound;
    return way;
  }
  way.tokens = matcher_->FinishTokens();
  INFE_TRY(Ran());
  if (!way.tokens && *bound <= left) way.tokens = *bound;
  if (way.tokens && *way.tokens > left) way.tokens.reset();
  if (way.tokens) {
    INFE_ASSIGN(way.empty_strings, EmptyStrings());
  }
  return way;
}

Result<bool> Constraint::Picks(TokenId token) {
  const bool picks = matcher_->PicksListed(token);
  INFE_TRY(Ran());
  return picks;
}

// Near the limit a token that begins what the text could do without needs room for it, and one that
// comes no nearer to the end (a word of a string, a blank) leaves room for the strings that must
// follow: a little while it is its own string's first, so that none stays empty where another way
// is.
Result<Constraint::Fit> Constraint::Judge(TokenId token, const Closing& closing) {
  if (closing.winding_down) {
    const bool passes = matcher_->PassesAnEnd(token);
    INFE_TRY(Ran());
    if (passes) {
      INFE_ASSIGN(const bool picks, Picks(token));
      if (!picks) return Fit::kNot;
    }
  }
  INFE_TRY(matcher_->Accept(token));
  const auto after = WayWithin(closing.left);
  const bool opens = matcher_->InStringValue() != grammar::Matcher::StringPlace::kOutside;
  matcher_->Rollback(1);
  if (!after) return Error(after.error());
  if (!after->tokens) {
    INFE_ASSIGN(const bool picks, Picks(token));
    return picks ? Fit::kPicked : Fit::kNot;
  }
  if (after->far) return Fit::kWell;
  const size_t spare = closing.left - *after->tokens;
  const size_t before = matcher_->FinishTokens().value_or(*after->tokens);
  INFE_TRY(Ran());
  const size_t grown = *after->tokens - std::min(before, *after->tokens);
  const bool begins = matcher_->BeginsOptional(token);
  INFE_TRY(Ran());
  if (begins && spare < std::max(kBeginRoomMin, grown)) return Fit::kJust;
  if (*after->tokens < before) {
    // Two quotes at once, where one would have left the string open, say nothing either.
    INFE_ASSIGN(const size_t empty, EmptyStrings());
    return closing.left > before && after->empty_strings < empty && !opens ? Fit::kJust
                                                                           : Fit::kWell;
  }
  const bool starts = matcher_->InStringValue() == grammar::Matcher::StringPlace::kStart;
  if (spare >= (starts ? 1 : kStringRoom) * after->empty_strings) return Fit::kWell;
  INFE_ASSIGN(const bool picks, Picks(token));
  return picks ? Fit::kWell : Fit::kJust;
}

Result<Constraint::Fit> Constraint::Keeps(TokenId token, const Closing& closing) {
  const auto known = keeps_.find(token);
  if (known != keeps_.end()) return known->second;
  INFE_ASSIGN(const Fit fit, Judge(token, closing));
  keeps_.emplace(token, fit);
  return fit;
}

Result<bool> Constraint::LosesUnseen(const Closing& closing) {
  if (loses_) return *loses_;
  using Place = grammar::Matcher::StringPlace;
  bool loses = matcher_->IsComplete() && !matcher_->IsWhole();
  switch (matcher_->InStringValue()) {
    case Place::kStart: {
      INFE_ASSIGN(const Way way, WayWithin(closing.left));
      loses = !way.tokens || *way.tokens + way.empty_strings > closing.left;
      break;
    }
    case Place::kInside:
      break;
    case Place::kOutside: {
      // Strings that no token is left for, besides what opening them costs.
      INFE_ASSIGN(const Way way, WayWithin(closing.left + 1));
      if (way.tokens && !way.far)
        loses = loses ||
                (way.empty_strings > 0 && *way.tokens + 2 * way.empty_strings > closing.left + 1);
      break;
    }
  }
  loses_ = loses;
  return loses;
}

Result<bool> Constraint::InLongKey() {
  if (!long_key_) {
    const bool found = matcher_->InLongKey();
    INFE_TRY(Ran());
    long_key_ = found;
  }
  return *long_key_;
}

std::string Constraint::ForcedBytes() {
  return matcher_->ForcedBytes();
}

}  // namespace infe::engine

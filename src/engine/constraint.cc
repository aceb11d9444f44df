#include "engine/constraint.h"

#include <algorithm>

#include "base/check.h"
#include "grammar/matcher.h"

namespace infe::engine {

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
  keeps_.clear();
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

Result<bool> Constraint::Judge(TokenId token, const Closing& closing) {
  if (closing.winding_down) {
    const bool passes = matcher_->PassesAnEnd(token);
    INFE_TRY(Ran());
    if (passes) return false;
  }
  INFE_TRY(matcher_->Accept(token));
  auto fits = FitsNow(closing.left);
  matcher_->Rollback(1);
  return fits;
}

Result<bool> Constraint::Keeps(TokenId token, const Closing& closing) {
  const auto known = keeps_.find(token);
  if (known != keeps_.end()) return known->second;
  INFE_ASSIGN(const bool keeps, Judge(token, closing));
  keeps_.emplace(token, keeps);
  return keeps;
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

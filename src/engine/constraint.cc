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

Result<MaskState> Constraint::MaskToFinish() {
  INFE_ASSIGN(const grammar::TokenMaskView view, matcher_->MaskToFinish());
  MaskState state;
  Fill(view.words, state);
  return state;
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

Result<std::vector<MaskState>> Constraint::MasksAlong(std::vector<TokenId>& draft) {
  draft.resize(matcher_->AcceptPrefix(draft));
  if (!draft.empty()) matcher_->Rollback(draft.size());
  std::vector<MaskState> masks(draft.size());
  for (size_t i = 0; i < draft.size(); ++i) {
    Result<void> done = matcher_->Accept(draft[i]);
    const bool taken = done.has_value();
    if (taken) done = Compute(masks[i]);
    if (!done) {
      // A draft is no reason to fail: it is cut here. (Accept takes nothing when it fails.)
      const size_t accepted = i + (taken ? 1 : 0);
      if (accepted > 0) matcher_->Rollback(accepted);
      masks.resize(i);
      draft.resize(i);
      return masks;
    }
  }
  if (!draft.empty()) matcher_->Rollback(draft.size());
  return masks;
}

Result<void> Constraint::Accept(TokenId token) {
  INFE_TRY(matcher_->Accept(token));
  mask_valid_ = false;
  return {};
}

void Constraint::Rollback(uint32_t tokens) {
  matcher_->Rollback(tokens);
  mask_valid_ = false;
}

bool Constraint::IsComplete() const {
  return matcher_->IsComplete();
}
bool Constraint::PassesAnEnd(TokenId token) {
  return matcher_->PassesAnEnd(token);
}

bool Constraint::InLongKey() {
  return matcher_->InLongKey();
}

std::optional<size_t> Constraint::FinishBound() const {
  return matcher_->FinishBound();
}
std::optional<size_t> Constraint::FinishTokens() {
  return matcher_->FinishTokens();
}
std::string Constraint::ForcedBytes() {
  return matcher_->ForcedBytes();
}

}  // namespace infe::engine

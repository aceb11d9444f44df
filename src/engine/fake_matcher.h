// A small grammar for tests of the engine, over tokens as bytes: nested brackets with letters, and
// a keyword whose rest is forced.
//   text  = item+            item = letter | '[' item* ']' | 'k' 'e' 'y' '!'
// The text may end at depth 0. Tokens are named by the constants below; all other ids are letters
// if they are even and never legal if they are odd.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "grammar/matcher.h"

namespace infe::engine {

class FakeMatcher : public grammar::Matcher {
 public:
  static constexpr uint32_t kEnd = 1, kOpen = 3, kClose = 5, kKey = 7;
  static constexpr uint32_t kForced[3] = {9, 11, 13};  // follow kKey, in this order

  struct Options {
    uint32_t vocabulary = 97;
    uint32_t fail_after = ~0u;  // Mask fails after so many tokens
    bool letters = true;        // false: brackets and the keyword alone, few tokens
    bool knows_bound = true;
    bool open_is_optional = false;  // a bracket opens what PassesAnEnd calls optional
    // Steps of fuel that a question of each kind takes, once for each state: asked again it goes
    // on.
    uint64_t mask_steps = 0, accept_steps = 0, finish_steps = 0;
  };
  explicit FakeMatcher(const Options& options) : options_(options) {}

  void SetFuel(Fuel* fuel) override { fuel_ = fuel; }

  Result<grammar::TokenMaskView> Mask() override {
    if (!Pay(states_.back().mask_owes)) return fuel_->Refusal("the mask");
    if (states_.size() - 1 >= options_.fail_after) return ResourceExhausted("too many states");
    words_.assign((options_.vocabulary + 63) / 64, 0);
    for (uint32_t token = 0; token < options_.vocabulary; ++token) {
      if (Allows(token)) words_[token / 64] |= uint64_t{1} << (token % 64);
    }
    return grammar::TokenMaskView{words_};
  }
  bool Allows(uint32_t token) override {
    const State& state = states_.back();
    if (state.forced > 0) return token == kForced[3 - state.forced];
    if (token == kEnd) return IsComplete();
    if (token == kClose) return state.depth > 0;
    if (token == kOpen || token == kKey) return true;
    return options_.letters && token % 2 == 0;
  }
  Result<void> Accept(uint32_t token) override {
    if (token == kEnd || !Allows(token)) return Internal("a token that the mask forbids");
    if (!Pay(states_.back().accept_owes)) return fuel_->Refusal("the step");
    State state = states_.back();
    state.mask_owes = options_.mask_steps;
    state.accept_owes = options_.accept_steps;
    state.finish_owes = options_.finish_steps;
    state.any = true;
    if (state.forced > 0)
      --state.forced;
    else if (token == kOpen)
      ++state.depth;
    else if (token == kClose)
      --state.depth;
    else if (token == kKey)
      state.forced = 3;
    states_.push_back(state);
    return {};
  }
  size_t AcceptPrefix(std::span<const uint32_t> draft) override {
    size_t taken = 0;
    while (taken < draft.size() && Accept(draft[taken])) ++taken;
    return taken;
  }
  void Rollback(size_t tokens) override {
    INFE_CHECK(tokens < states_.size());
    states_.resize(states_.size() - tokens);
  }
  std::unique_ptr<Matcher> Fork() const override { return std::make_unique<FakeMatcher>(*this); }
  bool IsComplete() const override {
    return states_.back().any && states_.back().depth == 0 && states_.back().forced == 0;
  }
  bool IsWhole() const override { return IsComplete(); }  // no item goes on by itself
  std::string ForcedBytes() override {
    std::string bytes;
    for (uint32_t left = states_.back().forced; left > 0; --left) {
      bytes.push_back(static_cast<char>(kForced[3 - left]));
    }
    return bytes;
  }
  std::optional<size_t> FinishBound() const override {
    if (!options_.knows_bound || !Pay(states_.back().finish_owes)) return std::nullopt;
    const State& state = states_.back();
    return size_t{state.depth} + state.forced + (state.any ? 0 : 1);
  }
  std::optional<size_t> FinishTokens() override { return FinishBound(); }
  std::optional<std::string> FinishText() override { return std::nullopt; }
  Result<grammar::TokenMaskView> MaskToFinish() override {
    if (!Pay(states_.back().finish_owes)) return fuel_->Refusal("the way to the end");
    const State& state = states_.back();
    if (state.forced > 0) return Mask();
    words_.assign((options_.vocabulary + 63) / 64, 0);
    const auto allow = [&](uint32_t token) { words_[token / 64] |= uint64_t{1} << (token % 64); };
    if (IsComplete()) {
      allow(kEnd);
    } else if (state.depth > 0) {
      allow(kClose);
    } else {
      allow(2);
    }
    return grammar::TokenMaskView{words_};
  }
  bool PassesAnEnd(uint32_t token) override { return options_.open_is_optional && token == kOpen; }
  std::span<const grammar::GrammarEvent> TakeEvents() override { return {}; }

 private:
  struct State {
    uint32_t depth = 0;
    uint32_t forced = 0;
    bool any = false;
    mutable uint64_t mask_owes = 0, accept_owes = 0, finish_owes = 0;
  };
  bool Pay(uint64_t& owed) const {
    if (fuel_ == nullptr || owed == 0) return true;
    const uint64_t room = fuel_->limits().steps - std::min(fuel_->limits().steps, fuel_->steps());
    const bool paid = fuel_->Spend(owed);
    owed -= std::min(owed, room);
    return paid;
  }
  Options options_;
  Fuel* fuel_ = nullptr;
  std::vector<State> states_{State{.mask_owes = options_.mask_steps,
                                   .accept_owes = options_.accept_steps,
                                   .finish_owes = options_.finish_steps}};
  std::vector<uint64_t> words_;
};

}  // namespace infe::engine

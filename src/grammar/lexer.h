// The lexer: sets of lexemes advanced together over bytes. A state is the set of lexemes still
// alive, each with its SpellState, plus the state of leading whitespace; states are interned and
// their transitions computed when first asked for. Nothing is greedy: a state says which lexemes
// could end here, and whoever drives it follows both readings.
//
// Work is paid from the machine's fuel. Once that has run out nothing is kept any more: every state
// is kDeadLex, and the same call with more fuel goes on from what was kept.
//
// One thread at a time; owned by a Machine.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/fuel.h"
#include "grammar/lexeme.h"
#include "grammar/spelling.h"

namespace infe::grammar {

using LexStateId = uint32_t;
inline constexpr LexStateId kDeadLex = 0;
using LexemeSetId = uint32_t;  // an interned, sorted set of lexemes
inline constexpr LexemeSetId kNoLexemes = 0;

class Lexer {
 public:
  // pool outlives the lexer. blank: regex of the whitespace that may stand before a lexeme that
  // takes it; every beginning of it must be followed by the lexeme as well (prefix-closed).
  Lexer(RegexPool* pool, std::vector<Lexeme> lexemes, RegexId blank);

  // What pays for the calls that follow; null: nothing does. Outlives them.
  void SetFuel(Fuel* fuel) {
    fuel_ = fuel;
    speller_.SetFuel(fuel);
  }

  LexemeId AddLexeme(const Lexeme& lexeme);  // the same id for an equal one
  const Lexeme& lexeme(LexemeId id) const { return lexemes_[id]; }

  struct Wanted {
    LexemeId lexeme = 0;
    bool blank_before = false;
    auto operator<=>(const Wanted&) const = default;
  };
  // The state before the first byte of any of the wanted lexemes. kDeadLex for none.
  LexStateId Start(std::vector<Wanted> wanted);

  LexStateId Next(LexStateId from, uint8_t byte) {
    const LexStateId known = (*next_[from / kBlockStates])[from % kBlockStates * 256 + byte];
    return known != kUnknown ? known : ComputeNext(from, byte);
  }
  // All that Next gives, by byte; empty when the fuel runs out. Valid as long as the lexer.
  std::span<const LexStateId> AllNext(LexStateId from);
  // Of a state in which no lexeme has begun and white space may go on before all of them: what may
  // follow of it (Blank), and the state in which it is over. Otherwise kNothing and kDeadLex.
  RegexId Blank(LexStateId state) const { return states_[state].blank; }
  LexStateId BehindBlank(LexStateId state);
  // Lexemes that may end here.
  LexemeSetId Accepts(LexStateId state) const { return marks_[state].accepts; }
  // Whether any byte may follow within the lexemes under way.
  bool CanContinue(LexStateId state) const { return marks_[state].can_continue; }
  // In a state inside exactly one string whose length is kept beside the regex: that lexeme; the
  // caller counts characters. A character begins when AtBoundary and the byte does not close.
  bool Windowed(LexStateId state) const { return marks_[state].windowed; }
  bool AtBoundary(LexStateId state) const { return marks_[state].boundary; }
  const Lexeme& WindowLexeme(LexStateId state) const {
    return lexemes_[states_[state].elements.front().lexeme];
  }
  // Between two characters of a key whose name is the text's own choice.
  bool InKey(LexStateId state) const {
    return AtBoundary(state) && WindowLexeme(state).tail != kEmptyText;
  }
  // Inside of a lexeme that is one of a list.
  bool InListed(LexStateId state) const;
  std::span<const LexemeId> Set(LexemeSetId id) const { return sets_[id]; }
  bool OnlyLast(LexemeSetId id) const { return only_last_[id]; }
  LexemeSetId SetOf(LexemeId id) { return InternSet({id}); }

  // For every lexeme alive in state, bytes that finish it, a short way. chars: characters already
  // in the string, where windowed.
  struct Ending {
    LexemeId lexeme = 0;
    std::string bytes;
  };
  // The reference is valid until the next call.
  const std::vector<Ending>& Endings(LexStateId state, uint32_t chars);

  // In a state inside exactly one string that may go on with any text: walks are the same from
  // every such state (free_strings.h), up to the length.
  bool IsFree(LexStateId state) const { return marks_[state].free; }
  // The same string between two characters.
  LexStateId FreeBoundary(LexStateId state) {
    const LexStateId known = marks_[state].whole;
    return known != kUnknown ? known : MakeFreeBoundary(state);
  }
  Spelling FreeSpelling(LexStateId state) const {
    return lexemes_[states_[state].elements.front().lexeme].spelling;
  }

  bool overflowed() const { return overflowed_; }
  size_t state_count() const { return states_.size(); }
  size_t bytes() const;  // of memory that it holds, without the pool
  RegexPool& pool() { return *pool_; }

 private:
  static constexpr LexStateId kUnknown = UINT32_MAX;
  // Tables of transitions are made for so many states at once and never moved.
  static constexpr size_t kBlockStates = 8;
  using Block = std::array<LexStateId, kBlockStates * 256>;
  struct Element {
    LexemeId lexeme = 0;
    bool pending = false;  // whitespace before it is still open
    SpellState place;
    bool operator==(const Element&) const = default;
  };
  struct State {
    std::vector<Element> elements;
    RegexId blank = kNothing;  // what whitespace may follow, kNothing when none
  };
  // What a walk asks of every state, apart from the rest so that it stays in the cache.
  struct Marks {
    LexemeSetId accepts = kNoLexemes;
    bool can_continue = false;
    bool windowed = false;
    bool boundary = false;
    bool free = false;
    LexStateId whole = kUnknown;  // FreeBoundary
  };

  LexStateId ComputeNext(LexStateId from, uint8_t byte);
  LexStateId Intern(std::span<const Element> elements, RegexId blank);
  LexemeSetId InternSet(std::vector<LexemeId> set);
  LexStateId MakeFreeBoundary(LexStateId state);
  LexemeId WithoutWindow(LexemeId id);
  bool Spend(uint64_t steps) { return fuel_ == nullptr || fuel_->Spend(steps); }
  bool Empty() const { return fuel_ != nullptr && fuel_->empty(); }
  // Counts memory that is held from now on.
  void Hold(size_t bytes) {
    bytes_ += bytes;
    if (fuel_ != nullptr) fuel_->Hold(bytes);
  }

  RegexPool* pool_;
  Fuel* fuel_ = nullptr;
  Speller speller_;
  RegexId blank_;
  std::deque<Lexeme> lexemes_;
  std::unordered_multimap<uint64_t, LexemeId> known_lexemes_;
  std::unordered_map<LexemeId, LexemeId> unwindowed_;
  std::unordered_map<LexemeId, LexemeId> original_;  // reports of an unwindowed copy go to these
  std::deque<State> states_;
  std::vector<Marks> marks_;                  // by state
  std::vector<std::unique_ptr<Block>> next_;  // 256 for each state
  std::unordered_multimap<uint64_t, LexStateId> known_states_;
  std::deque<std::vector<LexemeId>> sets_;
  std::vector<bool> only_last_;
  std::unordered_multimap<uint64_t, LexemeSetId> known_sets_;
  std::unordered_map<LexStateId, std::vector<Ending>> endings_;  // by state; not of short strings
  std::vector<Element> stepped_;       // of the state that ComputeNext is making
  std::vector<Ending> short_endings_;  // of a string that lacks characters
  size_t bytes_ = 0;                   // of lists inside the tables, and of next_
  bool overflowed_ = false;
};

}  // namespace infe::grammar

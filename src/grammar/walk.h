// Walks of the token trie under one lexer state, cached: which tokens stay inside the lexemes under
// way, and which cross the end of one and where the rest of them lies. Only the crossing ones ask
// the parser, and what follows a crossing is again a walk, over the remaining pieces.
//
// Where most of the trie leads into a string that may hold anything, that part is not walked: it is
// taken from the vocabulary's FreeString, and the walk keeps the tokens that differ.
//
// Two states often read most of the trie alike (the states of a pattern that may begin anywhere in
// a text): a walk from the second reads only the subtrees into which they come with different
// states, and takes the rest from the walk of the first.
//
// Work is paid from the machine's fuel: a walk that it does not reach the end of is not kept.
//
// One thread at a time; owned by a Machine.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/fuel.h"
#include "grammar/free_strings.h"
#include "grammar/lexer.h"
#include "grammar/token_trie.h"

namespace infe::grammar {

using ViewId = uint32_t;  // a set of trie nodes whose subtrees are still to be read
inline constexpr ViewId kWholeTrie = 0;
inline constexpr ViewId kNoView = UINT32_MAX;

struct Walk {
  struct Crossing {
    LexemeSetId ended = kNoLexemes;
    uint32_t chars = 0;            // characters before the closing quote, in counted walks
    ViewId rest = kNoView;         // tokens that go on behind the lexeme
    std::vector<uint32_t> tokens;  // tokens that end with it
  };
  // Tokens that stay inside; as bits if there are many.
  std::vector<uint32_t> tokens;
  std::vector<uint64_t> bits;
  std::vector<Crossing> crossings;
  // Counted: the walk began inside a string whose length is kept beside the regex. Its bounds are
  // not applied; tokens are sorted by the characters that they add.
  bool counted = false;
  std::vector<uint32_t> chars_begin;  // tokens[chars_begin[c]..] add at least c characters
  // Not kDeadLex: all other tokens behave as from this free state, except those listed.
  LexStateId base = kDeadLex;
  std::vector<uint32_t> except;
  bool alike = false;  // most of it was taken from another walk
};

class Walker {
 public:
  Walker(std::shared_ptr<const TokenTrie> trie, Lexer* lexer);  // lexer outlives the walker

  // What pays for the calls that follow; null: nothing does. Outlives them.
  void SetFuel(Fuel* fuel) { fuel_ = fuel; }

  // The reference stays valid as long as the walker. An empty walk when the fuel runs out.
  const Walk& Get(ViewId view, LexStateId state);
  // The rests behind a quote that closes a free string; chars: after exactly so many characters,
  // kNoIndex: after any number. kNoView if there are none.
  ViewId ClosingView(Spelling spelling, uint32_t chars);
  // Every token under view, for those few that have to be tried one by one.
  void Tokens(ViewId view, std::vector<uint32_t>* out) const;

  const TokenTrie& trie() const { return *trie_; }
  size_t bytes() const;  // of memory that it holds

 private:
  struct View {
    const RestTrie* rest = nullptr;  // null: nodes of the vocabulary's own trie
    std::vector<uint32_t> roots;
  };
  struct Frame {
    LexStateId state;
    LexStateId alike;  // of the walk that is read along with, if there is one
    uint32_t end;
    uint32_t chars;
    std::span<const TokenTrie::Branch> children;  // of a node that has many, those not yet read
  };
  struct Found;
  // A long walk of the whole trie, for others to take from.
  struct Kept {
    LexStateId start = kDeadLex;
    const Walk* walk = nullptr;
  };
  // The vocabulary under white space: the same for all that may stand behind it.
  struct Blank {
    std::vector<uint32_t> tokens;  // of nothing else
    // The nodes with the first byte that is none, by that byte: behind[begin[b]..begin[b + 1]).
    std::vector<uint32_t> behind;
    std::array<uint32_t, 257> begin = {};
    std::array<bool, 256> used = {};  // bytes of white space
  };
  template <typename Reader>
  void Run(const Reader& reader, ViewId view, LexStateId start, Walk* walk);
  // Null when the fuel runs out.
  const Blank* BlankOf(RegexId blank);
  bool WalkBlank(RegexId blank, Blank* out);
  template <typename Reader>
  bool ReadBehindBlank(const Reader& reader, LexStateId start, Found* found);
  template <typename Reader>
  bool Read(const Reader& reader, ViewId view, LexStateId start, Found* found);
  template <typename Reader>
  bool ReadNodes(const Reader& reader, uint32_t begin, const Frame& around, Found* found);
  uint32_t PassKnown(uint32_t i, Frame* frame, Found* found);
  bool CountsChars(LexStateId from, LexStateId from_alike, LexStateId next) const;
  // Of a windowed state: whether `chars` characters, with the byte that leads on to `next`, can be
  // within the bounds of its string; counts that byte.
  bool CountChars(LexStateId state, LexStateId next, const Found& found, uint32_t* chars);
  template <typename Reader>
  bool TakeEnding(const Reader& reader, uint32_t i, LexStateId next, uint32_t chars, Found* found);
  template <typename Reader>
  void ListExceptions(const Reader& reader, const Found& found, Walk* walk) const;
  void KeepStays(Found* found, Walk* walk) const;
  void KeepEndings(ViewId view, Found* found, Walk* walk);
  void LookAround(LexStateId start, Found* found);
  // The kept walk that reads most of the trie as one from start would; null if none reads half.
  // nexts: all that follows start.
  const Kept* Alike(LexStateId start, std::span<const LexStateId> nexts);
  void TakeAlike(const Kept& kept, Found* found, Walk* walk);
  void KeepForOthers(LexStateId start, const Walk& walk);

  bool Spend(uint64_t steps) { return fuel_ == nullptr || fuel_->Spend(steps); }
  bool Empty() const { return fuel_ != nullptr && fuel_->empty(); }

  std::shared_ptr<const TokenTrie> trie_;  // shared with the model
  Lexer* lexer_;
  Fuel* fuel_ = nullptr;
  std::deque<View> views_;
  std::unordered_map<uint64_t, std::unique_ptr<Walk>> walks_;
  std::map<std::pair<Spelling, uint32_t>, ViewId> closing_views_;
  std::unordered_map<RegexId, Blank> blanks_;
  std::array<Kept, 4> kept_ = {};
  size_t kept_next_ = 0;  // which of them is overwritten next
  std::vector<Frame> stack_;
  size_t bytes_ = 0;  // of walks and views, with what they hold
};

}  // namespace infe::grammar

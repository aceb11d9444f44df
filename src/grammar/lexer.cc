#include "grammar/lexer.h"

#include <algorithm>

#include "grammar/limits.h"
#include "grammar/memory.h"

namespace infe::grammar {
namespace {

uint64_t Mix(uint64_t h, uint64_t v) {
  h ^= v + 0x9E3779B97F4A7C15ull + (h << 6) + (h >> 2);
  return h * 0xD6E8FEB86659FD93ull;
}

uint64_t Hash(const Lexeme& l) {
  uint64_t h = Mix(static_cast<uint64_t>(l.spelling), l.content);
  h = Mix(h, l.tail);
  h = Mix(h, (uint64_t{l.min_chars} << 32) | l.max_chars);
  return Mix(h, l.last ? 1 : 0);
}

}  // namespace

Lexer::Lexer(RegexPool* pool, std::vector<Lexeme> lexemes, RegexId blank)
    : pool_(pool), speller_(pool), blank_(blank), lexemes_(lexemes.begin(), lexemes.end()) {
  for (LexemeId id = 0; id < lexemes_.size(); ++id) known_lexemes_.emplace(Hash(lexemes_[id]), id);
  sets_.emplace_back();  // kNoLexemes
  only_last_.push_back(false);
  states_.emplace_back();  // kDeadLex
  marks_.emplace_back();
  next_.push_back(std::make_unique<Block>());
  next_.back()->fill(kUnknown);
  std::fill_n(next_.back()->begin(), 256, kDeadLex);
  bytes_ += BlockBytes(sizeof(Block));
}

size_t Lexer::bytes() const {
  return bytes_ + lexemes_.size() * sizeof(Lexeme) + states_.size() * sizeof(State) +
         HeapBytes(marks_) + HeapBytes(next_) + sets_.size() * sizeof(sets_.front()) +
         TableBytes(known_lexemes_) + TableBytes(unwindowed_) + TableBytes(original_) +
         TableBytes(known_states_) + TableBytes(known_sets_) + TableBytes(endings_);
}

LexemeId Lexer::AddLexeme(const Lexeme& lexeme) {
  const uint64_t hash = Hash(lexeme);
  const auto [begin, end] = known_lexemes_.equal_range(hash);
  for (auto it = begin; it != end; ++it)
    if (lexemes_[it->second] == lexeme) return it->second;
  const auto id = static_cast<LexemeId>(lexemes_.size());
  lexemes_.push_back(lexeme);
  known_lexemes_.emplace(hash, id);
  return id;
}

// The same lexeme with its length inside the regex, for places where other strings are possible too
// and one counter beside the state would not do.
bool Lexer::InListed(LexStateId state) const {
  return std::ranges::any_of(states_[state].elements, [this](const Element& element) {
    return !element.pending && lexemes_[element.lexeme].listed;
  });
}

LexemeId Lexer::WithoutWindow(LexemeId id) {
  if (const auto it = unwindowed_.find(id); it != unwindowed_.end()) return it->second;
  Lexeme copy = lexemes_[id];
  const RegexId any = pool_->Class(CharSet::All());
  copy.content = pool_->And(copy.content, pool_->Repeat(any, copy.min_chars, copy.max_chars));
  if (!Spend(1)) return id;
  copy.min_chars = 0;
  copy.max_chars = kUnbounded;
  const LexemeId result = AddLexeme(copy);
  unwindowed_.emplace(id, result);
  return result;
}

LexStateId Lexer::Start(std::vector<Wanted> wanted) {
  if (!Spend(wanted.size())) return kDeadLex;
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  // A lexeme without any text left (all values used) must not even open its quote.
  std::erase_if(wanted,
                [&](const Wanted& w) { return pool_->IsEmpty(lexemes_[w.lexeme].content); });
  if (wanted.empty()) return kDeadLex;
  // Lexemes that begin with a quote: a window can stay beside the state only if there is one.
  size_t quote_starts = 0;
  for (const Wanted& w : wanted) {
    const Lexeme& l = lexemes_[w.lexeme];
    if (l.quoted() || pool_->Derive(l.content, '"') != kNothing) ++quote_starts;
  }
  std::vector<Element> elements;
  bool any_blank = false;
  for (const Wanted& w : wanted) {
    LexemeId id = w.lexeme;
    if (quote_starts > 1 && lexemes_[id].windowed()) {
      const LexemeId plain = WithoutWindow(id);
      if (plain != id) original_.emplace(plain, id);
      id = plain;
    }
    const bool pending = w.blank_before && blank_ != kNothing;
    any_blank = any_blank || pending;
    elements.push_back({id, pending, speller_.Start(lexemes_[id])});
    if (Empty()) return kDeadLex;
  }
  return Intern(elements, any_blank ? blank_ : kNothing);
}

LexStateId Lexer::Intern(std::span<const Element> elements, RegexId blank) {
  if (elements.empty() || !Spend(1 + elements.size() / 8)) return kDeadLex;
  uint64_t hash = blank;
  for (const Element& e : elements) {
    hash = Mix(hash, (uint64_t{e.lexeme} << 1) | (e.pending ? 1 : 0));
    hash = Mix(hash, (uint64_t{e.place.regex} << 32) | e.place.phase);
  }
  const auto [begin, end] = known_states_.equal_range(hash);
  for (auto it = begin; it != end; ++it)
    if (states_[it->second].blank == blank &&
        std::ranges::equal(states_[it->second].elements, elements))
      return it->second;
  if (states_.size() >= kLexStatesMax || pool_->overflowed()) {
    overflowed_ = true;
    return kDeadLex;
  }
  Marks marks;
  std::vector<LexemeId> accepts;
  for (const Element& e : elements) {
    const Lexeme& lexeme = lexemes_[e.lexeme];
    if (!e.pending && speller_.Accepts(lexeme, e.place)) {
      accepts.push_back(e.lexeme);
      if (const auto it = original_.find(e.lexeme); it != original_.end())
        accepts.push_back(it->second);
    }
    marks.can_continue = marks.can_continue || e.pending || speller_.CanContinue(lexeme, e.place);
  }
  if (!Spend(1 + elements.size() / 8)) return kDeadLex;
  if (elements.size() == 1 && !elements[0].pending) {
    const Element& e = elements.front();
    const bool inside = Speller::InsideString(lexemes_[e.lexeme], e.place);
    marks.windowed = inside && lexemes_[e.lexeme].windowed();
    marks.boundary = Speller::AtBoundary(lexemes_[e.lexeme], e.place);
    marks.free = inside && e.place.regex == kAnything;
  }
  const auto id = static_cast<LexStateId>(states_.size());
  states_.push_back({{elements.begin(), elements.end()}, blank});
  Hold(HeapBytes(states_.back().elements) + sizeof(State));
  if (id % kBlockStates == 0) {
    next_.push_back(std::make_unique<Block>());
    next_.back()->fill(kUnknown);
    Hold(BlockBytes(sizeof(Block)));
  }
  marks.accepts = InternSet(std::move(accepts));
  marks_.push_back(marks);
  known_states_.emplace(hash, id);
  return id;
}

LexemeSetId Lexer::InternSet(std::vector<LexemeId> set) {
  if (set.empty()) return kNoLexemes;
  std::sort(set.begin(), set.end());
  set.erase(std::unique(set.begin(), set.end()), set.end());
  uint64_t hash = 7;
  for (const LexemeId id : set) hash = Mix(hash, id);
  const auto [begin, end] = known_sets_.equal_range(hash);
  for (auto it = begin; it != end; ++it)
    if (sets_[it->second] == set) return it->second;
  const auto id = static_cast<LexemeSetId>(sets_.size());
  only_last_.push_back(
      std::ranges::all_of(set, [&](LexemeId lexeme) { return lexemes_[lexeme].last; }));
  Hold(HeapBytes(set) + sizeof(set));
  sets_.push_back(std::move(set));
  known_sets_.emplace(hash, id);
  return id;
}

LexStateId Lexer::MakeFreeBoundary(LexStateId state) {
  if (AtBoundary(state)) return marks_[state].whole = state;
  Element element = states_[state].elements.front();
  SpellState inside;
  speller_.Step(lexemes_[element.lexeme], speller_.Start(lexemes_[element.lexeme]), '"', &inside);
  element.place = {kAnything, inside.phase};
  const LexStateId whole = Intern({&element, 1}, kNothing);
  if (whole != kDeadLex) marks_[state].whole = whole;
  return whole;
}

LexStateId Lexer::BehindBlank(LexStateId state) {
  if (states_[state].blank == kNothing) return kDeadLex;
  std::vector<Element> elements = states_[state].elements;
  for (Element& e : elements) {
    if (!e.pending) return kDeadLex;
    e.pending = false;
  }
  return Intern(elements, kNothing);
}

LexStateId Lexer::ComputeNext(LexStateId from, uint8_t byte) {
  const State& state = states_[from];
  if (!Spend(1)) return kDeadLex;
  const RegexId blank =
      state.blank != kNothing && byte < 0x80 ? pool_->Derive(state.blank, byte) : kNothing;
  std::vector<Element>& elements = stepped_;
  elements.clear();
  bool any_pending = false;
  // Most bytes lead to one place, or nowhere: it is worked out for all of them at once.
  Speller::ByteRange same{0, 0xFF};
  if (state.blank != kNothing)
    same = byte < 0x80 ? speller_.SameCodePoints(state.blank, byte, {0, 0x7F})
                       : Speller::ByteRange{0x80, 0xFF};
  for (const Element& e : state.elements) {
    if (!Spend(1)) return kDeadLex;
    if (same.first < same.second) {
      const auto [first, last] = speller_.SameBytes(lexemes_[e.lexeme], e.place, byte);
      same = {std::max(same.first, first), std::min(same.second, last)};
    }
    if (e.pending && blank != kNothing) {
      any_pending = true;
      elements.push_back(e);
    }
    SpellState to;
    if (speller_.Step(lexemes_[e.lexeme], e.place, byte, &to))
      elements.push_back({e.lexeme, false, to});
  }
  const LexStateId next = Intern(elements, any_pending ? blank : kNothing);
  if (Empty()) return kDeadLex;
  if (!overflowed_)
    std::fill_n(next_[from / kBlockStates]->begin() + from % kBlockStates * 256 + same.first,
                same.second - same.first + 1, next);
  return next;
}

std::span<const LexStateId> Lexer::AllNext(LexStateId from) {
  const LexStateId* const all = next_[from / kBlockStates]->data() + from % kBlockStates * 256;
  for (uint32_t byte = 0; byte < 256; ++byte)
    if (all[byte] == kUnknown) ComputeNext(from, static_cast<uint8_t>(byte));
  return Empty() || overflowed_ ? std::span<const LexStateId>() : std::span(all, 256);
}

const std::vector<Lexer::Ending>& Lexer::Endings(LexStateId id, uint32_t chars) {
  // Only inside one counted string do characters matter, and only while it lacks some.
  uint32_t lacks = 0;
  if (marks_[id].windowed) {
    const uint32_t least = WindowLexeme(id).min_chars;
    lacks = least > chars ? least - chars : 0;
  }
  if (lacks == 0)
    if (const auto known = endings_.find(id); known != endings_.end()) return known->second;
  std::vector<Ending> endings;
  const std::vector<Element> elements = states_[id].elements;
  for (const Element& e : elements) {
    if (!Spend(1)) break;
    const Lexeme lexeme = lexemes_[e.lexeme];
    const uint32_t needed = marks_[id].windowed ? lacks : lexeme.min_chars;
    endings.push_back({e.lexeme, speller_.Finish(lexeme, e.place, needed)});
    if (const auto it = original_.find(e.lexeme); it != original_.end())
      endings.back().lexeme = it->second;
  }
  if (lacks == 0 && !Empty()) {
    size_t bytes = HeapBytes(endings);
    for (const Ending& ending : endings) bytes += HeapBytes(ending.bytes);
    Hold(bytes);
    return endings_.emplace(id, std::move(endings)).first->second;
  }
  short_endings_ = std::move(endings);
  return short_endings_;
}

}  // namespace infe::grammar

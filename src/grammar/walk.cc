#include "grammar/walk.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "grammar/memory.h"
#include "grammar/program.h"

namespace infe::grammar {
namespace {

// From this share of the vocabulary on, a walk keeps bits instead of a list.
constexpr size_t kBitsFromShare = 64;

// A state that leaves fewer nodes of the trie alive by their first byte takes nothing from others.
constexpr size_t kLookFromShare = 16;

// Nodes of the trie that are read for a step of fuel.
constexpr uint32_t kNodesPerStep = 8;

size_t BytesOf(const Walk& walk) {
  size_t bytes = BlockBytes(sizeof(Walk)) + HeapBytes(walk.tokens) + HeapBytes(walk.bits) +
                 HeapBytes(walk.crossings) + HeapBytes(walk.chars_begin) + HeapBytes(walk.except);
  for (const Walk::Crossing& crossing : walk.crossings) bytes += HeapBytes(crossing.tokens);
  return bytes;
}

// The two kinds of trie under one face.
struct MainReader {
  const TokenTrie* trie;
  std::span<const TokenTrie::Node> nodes;
  uint8_t Byte(uint32_t i) const { return nodes[i].byte(); }
  uint32_t Skip(uint32_t i) const { return nodes[i].skip(); }
  bool HasToken(uint32_t i) const { return nodes[i].token != kNoToken; }
  std::span<const TokenTrie::Branch> Children(uint32_t i) const { return trie->Children(i); }
  template <typename Take>
  void Tokens(uint32_t i, Take take) const {
    if (nodes[i].token != kNoToken) take(nodes[i].token);
  }
};

struct RestReader {
  const RestTrie* trie;
  static std::span<const TokenTrie::Branch> Children(uint32_t) { return {}; }
  uint8_t Byte(uint32_t i) const { return static_cast<uint8_t>(trie->nodes[i].skip_and_byte); }
  uint32_t Skip(uint32_t i) const { return trie->nodes[i].skip_and_byte >> 8; }
  bool HasToken(uint32_t i) const { return trie->nodes[i].list != UINT32_MAX; }
  template <typename Take>
  void Tokens(uint32_t i, Take take) const {
    if (trie->nodes[i].list == UINT32_MAX) return;
    for (const uint32_t token : trie->lists[trie->nodes[i].list]) take(token);
  }
};

}  // namespace

Walker::Walker(std::shared_ptr<const TokenTrie> trie, Lexer* lexer)
    : trie_(std::move(trie)), lexer_(lexer) {
  views_.push_back({nullptr, {0}});
}

const Walk& Walker::Get(ViewId view, LexStateId state) {
  const uint64_t key = (uint64_t{view} << 32) | state;
  const auto it = walks_.find(key);
  if (it != walks_.end()) return *it->second;
  auto walk = std::make_unique<Walk>();
  const size_t views = views_.size();
  if (const RestTrie* rest = views_[view].rest) {
    Run(RestReader{rest}, view, state, walk.get());
  } else {
    Run(MainReader{trie_.get(), trie_->nodes()}, view, state, walk.get());
  }
  size_t bytes = BytesOf(*walk);
  for (size_t i = views; i < views_.size(); ++i) bytes += sizeof(View) + HeapBytes(views_[i].roots);
  if (fuel_ != nullptr) fuel_->Hold(bytes);
  if (Empty()) {
    static const Walk kNone;
    views_.resize(views);
    return kNone;
  }
  bytes_ += bytes;
  const Walk& result = *walks_.emplace(key, std::move(walk)).first->second;
  if (view == kWholeTrie) KeepForOthers(state, result);
  return result;
}

size_t Walker::bytes() const {
  // A node of the map has two pointers, a colour and a parent besides its value.
  return bytes_ + TableBytes(walks_) + TableBytes(blanks_) +
         closing_views_.size() * BlockBytes(4 * sizeof(void*) + sizeof(*closing_views_.begin())) +
         HeapBytes(stack_);
}

ViewId Walker::ClosingView(Spelling spelling, uint32_t chars) {
  const auto [it, fresh] = closing_views_.emplace(std::pair(spelling, chars), kNoView);
  if (!fresh) return it->second;
  const FreeString& free = trie_->free_strings().Get(spelling);
  const FreeString::Closing& closing = chars == kNoIndex ? free.all_closings : free.closings[chars];
  if (closing.rest.nodes.size() > 1) {
    it->second = static_cast<ViewId>(views_.size());
    views_.push_back({&closing.rest, {0}});
  }
  return it->second;
}

// What a walk meets before it is put in order.
struct Walker::Found {
  struct Ending {
    LexemeSetId ended;
    uint32_t chars;
    std::vector<uint32_t> roots;
    std::vector<uint32_t> tokens;
  };
  struct Stay {
    uint32_t token;
    uint32_t chars;
  };
  bool with_base = false;
  bool counted = false;
  LexStateId base = kDeadLex;
  std::vector<Ending> endings;
  std::vector<Stay> stays;
  uint32_t unpaid = 0;          // nodes, not yet a step of fuel
  const Kept* alike = nullptr;  // what its walk decides is not read again
  // Nodes of a subtree (or one node) that are decided here, not by the base or the walk alike; in
  // order, apart from each other.
  std::vector<std::pair<uint32_t, uint32_t>> decided;

  Ending& EndingOf(LexemeSetId ended, uint32_t chars) {
    for (Ending& e : endings)
      if (e.ended == ended && e.chars == chars) return e;
    return endings.emplace_back(Ending{ended, chars, {}, {}});
  }
  // Whether what follows in this state is the base's to say. Half-written characters of one string
  // share the base of that string.
  bool TakeBase(Lexer& lexer, LexStateId state) {
    if (!with_base || !lexer.IsFree(state) || lexer.Windowed(state)) return false;
    const LexStateId whole = lexer.FreeBoundary(state);
    if (base == kDeadLex) base = whole;
    return base == whole;
  }
  void Decide(uint32_t from, uint32_t to) {
    if (!with_base && alike == nullptr) return;
    if (!decided.empty() && decided.back().second == from) {
      decided.back().second = to;
    } else {
      decided.emplace_back(from, to);
    }
  }
  bool Decided(uint32_t node) const {
    const auto behind =
        std::ranges::upper_bound(decided, node, {}, [](const auto& d) { return d.first; });
    return behind != decided.begin() && node < std::prev(behind)->second;
  }
};

template <typename Reader>
void Walker::Run(const Reader& reader, ViewId view, LexStateId start, Walk* walk) {
  if (view == kWholeTrie && lexer_->IsFree(start) && lexer_->AtBoundary(start)) {
    walk->base = start;
    return;
  }
  Found found;
  found.counted = lexer_->Windowed(start);
  if (view != kWholeTrie || !ReadBehindBlank(reader, start, &found)) {
    if (Empty()) return;
    if (view == kWholeTrie && !found.counted) LookAround(start, &found);
    if (!Read(reader, view, start, &found)) return;
  }
  walk->base = found.base;
  walk->counted = found.counted;
  if (walk->base != kDeadLex) ListExceptions(reader, found, walk);
  KeepStays(&found, walk);
  if (found.alike != nullptr) TakeAlike(*found.alike, &found, walk);
  KeepEndings(view, &found, walk);
}

// Reads the whole trie from a state before which white space may go on: its walk is known, and the
// rest begins where it is over. False, and nothing read, from other states, where a lexeme may
// begin with such a byte itself, and when the fuel runs out.
template <typename Reader>
bool Walker::ReadBehindBlank(const Reader& reader, LexStateId start, Found* found) {
  const LexStateId bare = lexer_->BehindBlank(start);
  if (bare == kDeadLex) return false;
  const Blank* blank = BlankOf(lexer_->Blank(start));
  const std::span<const LexStateId> nexts = lexer_->AllNext(bare);
  if (blank == nullptr || nexts.empty()) return false;
  for (size_t b = 0; b < 256; ++b)
    if (blank->used[b] && nexts[b] != kDeadLex) return false;
  for (const uint32_t token : blank->tokens) found->stays.push_back({token, 0});
  if (!Spend(1 + blank->tokens.size() / 64)) return false;
  for (size_t b = 0; b < 256; ++b) {
    if (nexts[b] == kDeadLex) continue;
    for (uint32_t k = blank->begin[b]; k < blank->begin[b + 1]; ++k) {
      const uint32_t i = blank->behind[k];
      if (!ReadNodes(reader, i, {bare, kDeadLex, i + reader.Skip(i), 0, {}}, found)) return false;
    }
  }
  return true;
}

// Whether most first bytes lead into one free string, or to where a kept walk's lead.
void Walker::LookAround(LexStateId start, Found* found) {
  const std::span<const LexStateId> nexts = lexer_->AllNext(start);
  if (nexts.empty() || !Spend(4)) return;
  uint32_t alive = 0;
  uint32_t free = 0;
  for (const TokenTrie::Branch& first : trie_->firsts()) {
    const LexStateId next = nexts[first.byte];
    if (next == kDeadLex) continue;
    alive += first.skip;
    if (lexer_->IsFree(next) && !lexer_->Windowed(next)) free += first.skip;
  }
  const size_t nodes = trie_->nodes().size();
  found->with_base = free > nodes / 2;
  // What a narrow state reads itself is less than looking for the like of it.
  if (!found->with_base && alive > nodes / kLookFromShare) found->alike = Alike(start, nexts);
}

// False when the fuel runs out.
template <typename Reader>
bool Walker::Read(const Reader& reader, ViewId view, LexStateId start, Found* found) {
  const LexStateId alike = found->alike != nullptr ? found->alike->start : kDeadLex;
  const std::vector<uint32_t>& roots = views_[view].roots;
  return std::ranges::all_of(roots, [&](uint32_t root) {
    return ReadNodes(reader, root + 1,
                     {start, alike, root + reader.Skip(root), 0, reader.Children(root)}, found);
  });
}

// The nodes from begin on to the end of the frame in which they lie.
template <typename Reader>
bool Walker::ReadNodes(const Reader& reader, uint32_t begin, const Frame& around, Found* found) {
  stack_.clear();
  stack_.push_back(around);
  for (uint32_t i = begin; i < around.end;) {
    while (i >= stack_.back().end) stack_.pop_back();
    if (!stack_.back().children.empty()) {
      i = PassKnown(i, &stack_.back(), found);
      if (i >= stack_.back().end) continue;
    }
    const Frame& frame = stack_.back();
    if (++found->unpaid >= kNodesPerStep) {
      found->unpaid = 0;
      if (!Spend(1)) return false;
    }
    const uint32_t skip = reader.Skip(i);
    const LexStateId next = lexer_->Next(frame.state, reader.Byte(i));
    LexStateId alike = kDeadLex;
    if (found->alike != nullptr) {
      alike = lexer_->Next(frame.alike, reader.Byte(i));
      if (next == alike && !CountsChars(frame.state, frame.alike, next)) {
        i += skip;
        continue;
      }
    }
    if (next != kDeadLex && found->TakeBase(*lexer_, next)) {
      i += skip;
      continue;
    }
    uint32_t chars = 0;
    if (lexer_->Windowed(frame.state)) chars = frame.chars;
    if (next == kDeadLex ||
        (lexer_->Windowed(frame.state) && !CountChars(frame.state, next, *found, &chars))) {
      found->Decide(i, i + skip);
      i += skip;
      continue;
    }
    if (!TakeEnding(reader, i, next, chars, found)) return false;
    const bool goes_on = lexer_->CanContinue(next);
    found->Decide(i, goes_on ? i + 1 : i + skip);
    if (!goes_on) {
      i += skip;
      continue;
    }
    reader.Tokens(i, [&](uint32_t t) { found->stays.push_back({t, chars}); });
    if (skip > 1) stack_.push_back({next, alike, i + skip, chars, reader.Children(i)});
    ++i;
  }
  return true;
}

// Children from node i on about which no more is to be said than where they lead: nowhere, into
// the base, or to where the walk that is read along leads. The first other one, or the frame's end.
uint32_t Walker::PassKnown(uint32_t i, Frame* frame, Found* found) {
  const auto known = [&](const TokenTrie::Branch& child) {
    const LexStateId next = lexer_->Next(frame->state, child.byte);
    if (found->alike != nullptr) {
      const LexStateId alike = lexer_->Next(frame->alike, child.byte);
      if (next == alike && !CountsChars(frame->state, frame->alike, next)) return true;
    }
    if (next == kDeadLex) {
      found->Decide(child.node, child.node + child.skip);
      return true;
    }
    return found->TakeBase(*lexer_, next);
  };
  const size_t before = frame->children.size();
  while (!frame->children.empty() &&
         (frame->children.front().node < i || known(frame->children.front())))
    frame->children = frame->children.subspan(1);
  found->unpaid += static_cast<uint32_t>((before - frame->children.size()) / kNodesPerStep);
  return frame->children.empty() ? frame->end : frame->children.front().node;
}

// Whether more than the state says what may follow: how many characters a string has so far.
bool Walker::CountsChars(LexStateId from, LexStateId from_alike, LexStateId next) const {
  return lexer_->Windowed(from) || lexer_->Windowed(from_alike) || lexer_->Windowed(next);
}

bool Walker::CountChars(LexStateId state, LexStateId next, const Found& found, uint32_t* chars) {
  if (!lexer_->AtBoundary(state)) return true;
  const Lexeme& lexeme = lexer_->WindowLexeme(state);
  const bool closes = !lexer_->Windowed(next);
  if (!closes) ++*chars;
  return found.counted || (closes ? *chars >= lexeme.min_chars : *chars <= lexeme.max_chars);
}

// The lexemes that end with node i. False when the fuel runs out.
template <typename Reader>
bool Walker::TakeEnding(const Reader& reader, uint32_t i, LexStateId next, uint32_t chars,
                        Found* found) {
  const LexemeSetId ended = lexer_->Accepts(next);
  if (ended == kNoLexemes) return true;
  const bool goes_on = lexer_->CanContinue(next);
  const bool leads_on = reader.Skip(i) > 1 && !lexer_->OnlyLast(ended);
  if (!leads_on && (goes_on || !reader.HasToken(i))) return true;
  if (!Spend(1 + found->endings.size() / 4)) return false;
  Found::Ending& ending = found->EndingOf(ended, found->counted ? chars : 0);
  if (leads_on) ending.roots.push_back(i);
  if (!goes_on) reader.Tokens(i, [&](uint32_t t) { ending.tokens.push_back(t); });
  return true;
}

const Walker::Kept* Walker::Alike(LexStateId start, std::span<const LexStateId> nexts) {
  std::array<uint32_t, std::tuple_size_v<decltype(kept_)>> shared{};
  for (size_t k = 0; k < kept_.size(); ++k) {
    if (kept_[k].walk == nullptr) continue;
    const std::span<const LexStateId> others = lexer_->AllNext(kept_[k].start);
    if (others.empty() || !Spend(4)) return nullptr;
    for (const TokenTrie::Branch& first : trie_->firsts()) {
      const LexStateId next = nexts[first.byte];
      if (next == others[first.byte] && !CountsChars(start, kept_[k].start, next))
        shared[k] += first.skip;
    }
  }
  const size_t best = std::ranges::max_element(shared) - shared.begin();
  return shared[best] > trie_->nodes().size() / 2 ? &kept_[best] : nullptr;
}

void Walker::KeepForOthers(LexStateId start, const Walk& walk) {
  if (walk.bits.empty() || walk.counted || walk.base != kDeadLex || walk.alike) return;
  kept_[kept_next_] = {start, &walk};
  kept_next_ = (kept_next_ + 1) % kept_.size();
}

// Adds what the kept walk found where found decided nothing.
void Walker::TakeAlike(const Kept& kept, Found* found, Walk* walk) {
  std::vector<uint64_t> decided(trie_->mask_words());
  const auto nodes = trie_->nodes();
  for (const auto& [from, to] : found->decided)
    for (uint32_t i = from; i < to; ++i)
      for (uint32_t t = nodes[i].token; t != kNoToken; t = trie_->NextSame(t))
        decided[t / 64] |= uint64_t{1} << (t % 64);
  walk->bits.resize(decided.size());
  for (size_t i = 0; i < decided.size(); ++i) walk->bits[i] |= kept.walk->bits[i] & ~decided[i];
  const size_t own = found->endings.size();
  for (const Walk::Crossing& crossing : kept.walk->crossings) {
    Found::Ending rest{crossing.ended, crossing.chars, {}, {}};
    for (const uint32_t t : crossing.tokens)
      if ((decided[t / 64] >> (t % 64) & 1) == 0) rest.tokens.push_back(t);
    const std::span<const uint32_t> roots =
        crossing.rest == kNoView ? std::span<const uint32_t>() : views_[crossing.rest].roots;
    for (const uint32_t root : roots)
      if (!found->Decided(root)) rest.roots.push_back(root);
    if (rest.roots.empty() && rest.tokens.empty()) continue;
    const bool shared = std::any_of(found->endings.begin(), found->endings.begin() + own,
                                    [&](const auto& e) { return e.ended == crossing.ended; });
    if (!shared && rest.roots.size() == roots.size()) {
      // The same view, so that what is behind it is walked once for both.
      walk->crossings.push_back({rest.ended, rest.chars, crossing.rest, std::move(rest.tokens)});
      continue;
    }
    Found::Ending& ending = found->EndingOf(crossing.ended, crossing.chars);
    ending.tokens.insert(ending.tokens.end(), rest.tokens.begin(), rest.tokens.end());
    ending.roots.insert(ending.roots.end(), rest.roots.begin(), rest.roots.end());
  }
  walk->alike = true;
}

template <typename Reader>
void Walker::ListExceptions(const Reader& reader, const Found& found, Walk* walk) const {
  const std::vector<uint64_t>& touched =
      trie_->free_strings().Get(lexer_->FreeSpelling(walk->base)).touched;
  for (const auto& [from, to] : found.decided) {
    for (uint32_t i = from; i < to;) {
      const uint64_t left = touched[i / 64] >> (i % 64);
      if (left == 0) {
        i += 64 - i % 64;
        continue;
      }
      i += static_cast<uint32_t>(std::countr_zero(left));
      if (i < to) reader.Tokens(i, [&](uint32_t t) { walk->except.push_back(t); });
      ++i;
    }
  }
}

void Walker::KeepStays(Found* found, Walk* walk) const {
  std::vector<Found::Stay>& stays = found->stays;
  if (walk->counted) {
    std::vector<uint32_t>& begin = walk->chars_begin;
    for (const Found::Stay& stay : stays) {
      if (begin.size() <= stay.chars) begin.resize(stay.chars + 1);
      ++begin[stay.chars];
    }
    uint32_t before = 0;
    for (uint32_t& at : begin) before += std::exchange(at, before);
    std::vector<uint32_t> next = begin;
    walk->tokens.resize(stays.size());
    for (const Found::Stay& stay : stays) walk->tokens[next[stay.chars]++] = stay.token;
  } else {
    walk->tokens.reserve(stays.size());
    for (const Found::Stay& stay : stays) walk->tokens.push_back(stay.token);
  }
  if (walk->tokens.size() > trie_->vocab_size() / kBitsFromShare) {
    walk->bits.assign(trie_->mask_words(), 0);
    for (const uint32_t first : walk->tokens)
      for (uint32_t t = first; t != kNoToken; t = trie_->NextSame(t))
        walk->bits[t / 64] |= uint64_t{1} << (t % 64);
    if (!walk->counted) walk->tokens = {};
  }
}

void Walker::KeepEndings(ViewId view, Found* found, Walk* walk) {
  for (Found::Ending& e : found->endings) {
    Walk::Crossing crossing{e.ended, e.chars, kNoView, std::move(e.tokens)};
    if (!e.roots.empty()) {
      crossing.rest = static_cast<ViewId>(views_.size());
      bytes_ += e.roots.size() * 4;
      views_.push_back({views_[view].rest, std::move(e.roots)});
    }
    walk->crossings.push_back(std::move(crossing));
  }
}

void Walker::Tokens(ViewId view, std::vector<uint32_t>* out) const {
  const View& v = views_[view];
  const auto collect = [&](const auto& reader) {
    for (const uint32_t root : v.roots)
      for (uint32_t i = root + 1; i < root + reader.Skip(root); ++i)
        reader.Tokens(i, [&](uint32_t t) { out->push_back(t); });
  };
  if (v.rest != nullptr) {
    collect(RestReader{v.rest});
  } else {
    collect(MainReader{trie_.get(), trie_->nodes()});
  }
}

}  // namespace infe::grammar

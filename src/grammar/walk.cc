#include "grammar/walk.h"

#include <algorithm>

#include "grammar/memory.h"
#include "grammar/program.h"

namespace infe::grammar {
namespace {

// From this share of the vocabulary on, a walk keeps bits instead of a list.
constexpr size_t kBitsFromShare = 64;

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
  template <typename Take>
  void Tokens(uint32_t i, Take take) const {
    if (nodes[i].token != kNoToken) take(nodes[i].token);
  }
};

struct RestReader {
  const RestTrie* trie;
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
  return *walks_.emplace(key, std::move(walk)).first->second;
}

size_t Walker::bytes() const {
  // A node of the map has two pointers, a colour and a parent besides its value.
  return bytes_ + TableBytes(walks_) +
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

// Whether most first bytes lead into one free string.
bool Walker::WorthBase(LexStateId start) {
  const auto nodes = trie_->nodes();
  const auto all = static_cast<uint32_t>(nodes.size());
  uint32_t free = 0;
  for (uint32_t i = 1; i < all; i += nodes[i].skip()) {
    if (!Spend(1)) return false;
    const LexStateId next = lexer_->Next(start, nodes[i].byte());
    if (next != kDeadLex && lexer_->IsFree(next) && !lexer_->Windowed(next))
      free += nodes[i].skip();
  }
  return free > all / 2;
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
  // Tokens of a subtree (or of one node) that are decided here and not by the base.
  std::vector<std::pair<uint32_t, uint32_t>> decided;

  Ending& EndingOf(LexemeSetId ended, uint32_t chars) {
    for (Ending& e : endings)
      if (e.ended == ended && e.chars == chars) return e;
    return endings.emplace_back(Ending{ended, chars, {}, {}});
  }
  void Decide(uint32_t from, uint32_t to) {
    if (with_base) decided.emplace_back(from, to);
  }
};

template <typename Reader>
void Walker::Run(const Reader& reader, ViewId view, LexStateId start, Walk* walk) {
  if (view == kWholeTrie && lexer_->IsFree(start) && lexer_->AtBoundary(start)) {
    walk->base = start;
    return;
  }
  Found found;
  found.with_base = view == kWholeTrie && !lexer_->Windowed(start) && WorthBase(start);
  found.counted = lexer_->Windowed(start);
  const std::vector<uint32_t> roots = views_[view].roots;
  if (!Read(reader, roots, start, &found)) return;
  walk->base = found.base;
  walk->counted = found.counted;
  if (walk->base != kDeadLex) ListExceptions(reader, found, walk);
  KeepStays(&found, walk);
  KeepEndings(view, &found, walk);
}

// False when the fuel runs out.
template <typename Reader>
bool Walker::Read(const Reader& reader, const std::vector<uint32_t>& roots, LexStateId start,
                  Found* found) {
  uint32_t unpaid = 0;  // nodes
  for (const uint32_t root : roots) {
    const uint32_t end = root + reader.Skip(root);
    stack_.clear();
    stack_.push_back({start, end, 0});
    for (uint32_t i = root + 1; i < end;) {
      while (i >= stack_.back().end) stack_.pop_back();
      const Frame frame = stack_.back();
      if (++unpaid == kNodesPerStep) {
        unpaid = 0;
        if (!Spend(1)) return false;
      }
      const uint32_t skip = reader.Skip(i);
      const LexStateId next = lexer_->Next(frame.state, reader.Byte(i));
      if (next == kDeadLex) {
        found->Decide(i, i + skip);
        i += skip;
        continue;
      }
      if (found->with_base && lexer_->IsFree(next) && !lexer_->Windowed(next)) {
        // Half-written characters of one string share the base of that string.
        const LexStateId whole = lexer_->FreeBoundary(next);
        if (found->base == kDeadLex) found->base = whole;
        if (found->base == whole) {
          i += skip;
          continue;
        }
      }
      uint32_t chars = frame.chars;
      if (!CountChars(frame.state, next, *found, &chars)) {
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
      if (skip > 1) stack_.push_back({next, i + skip, chars});
      ++i;
    }
  }
  return true;
}

bool Walker::CountChars(LexStateId state, LexStateId next, const Found& found, uint32_t* chars) {
  if (!lexer_->Windowed(state)) {
    *chars = 0;
    return true;
  }
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

template <typename Reader>
void Walker::ListExceptions(const Reader& reader, const Found& found, Walk* walk) const {
  const std::vector<uint64_t>& touched =
      trie_->free_strings().Get(lexer_->FreeSpelling(walk->base)).touched;
  for (const auto& [from, to] : found.decided)
    for (uint32_t i = from; i < to; ++i)
      reader.Tokens(i, [&](uint32_t t) {
        if ((touched[t / 64] >> (t % 64) & 1) != 0) walk->except.push_back(t);
      });
}

void Walker::KeepStays(Found* found, Walk* walk) const {
  std::vector<Found::Stay>& stays = found->stays;
  if (walk->counted) {
    std::stable_sort(stays.begin(), stays.end(),
                     [](const Found::Stay& a, const Found::Stay& b) { return a.chars < b.chars; });
    for (size_t i = 0; i < stays.size(); ++i)
      while (walk->chars_begin.size() <= stays[i].chars)
        walk->chars_begin.push_back(static_cast<uint32_t>(i));
  }
  walk->tokens.reserve(stays.size());
  for (const Found::Stay& stay : stays) walk->tokens.push_back(stay.token);
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

#include "grammar/walk.h"

#include <algorithm>

namespace infe::grammar {
namespace {

// From this share of the vocabulary on, a walk keeps bits instead of a list.
constexpr size_t kBitsFromShare = 64;

}  // namespace

Walker::Walker(std::shared_ptr<const TokenTrie> trie, Lexer* lexer)
    : trie_(std::move(trie)), lexer_(lexer) {
  views_.push_back({0});
}

const Walk& Walker::Get(ViewId view, LexStateId state) {
  const uint64_t key = (uint64_t{view} << 32) | state;
  const auto it = walks_.find(key);
  if (it != walks_.end()) return *it->second;
  auto walk = std::make_unique<Walk>();
  Run(views_[view], state, walk.get());
  bytes_ += sizeof(Walk) + walk->tokens.size() * 4 + walk->bits.size() * 8;
  return *walks_.emplace(key, std::move(walk)).first->second;
}

void Walker::Run(const std::vector<uint32_t>& roots, LexStateId start, Walk* walk) {
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
  std::vector<Ending> endings;
  std::vector<Stay> stays;
  const bool counted = lexer_->Windowed(start);
  const auto nodes = trie_->nodes();
  const auto ending_of = [&](LexemeSetId ended, uint32_t chars) -> Ending& {
    for (Ending& e : endings)
      if (e.ended == ended && e.chars == chars) return e;
    return endings.emplace_back(Ending{ended, chars, {}, {}});
  };
  for (const uint32_t root : roots) {
    const uint32_t end = root + nodes[root].skip();
    stack_.clear();
    stack_.push_back({start, end, 0});
    for (uint32_t i = root + 1; i < end;) {
      while (i >= stack_.back().end) stack_.pop_back();
      const Frame frame = stack_.back();
      const TokenTrie::Node node = nodes[i];
      const uint32_t skip = node.skip();
      const LexStateId next = lexer_->Next(frame.state, node.byte());
      if (next == kDeadLex) {
        i += skip;
        continue;
      }
      uint32_t chars = frame.chars;
      if (lexer_->Windowed(frame.state)) {
        if (lexer_->AtBoundary(frame.state)) {
          const Lexeme& lexeme = lexer_->WindowLexeme(frame.state);
          const bool closes = !lexer_->Windowed(next);
          if (!closes) ++chars;
          if (!counted && (closes ? chars < lexeme.min_chars : chars > lexeme.max_chars)) {
            i += skip;
            continue;
          }
        }
      } else {
        chars = 0;
      }
      const LexemeSetId ended = lexer_->Accepts(next);
      const bool goes_on = lexer_->CanContinue(next);
      if (ended != kNoLexemes) {
        const bool only_last = lexer_->OnlyLast(ended);
        if ((skip > 1 && !only_last) || (node.token != kNoToken && !goes_on)) {
          Ending& ending = ending_of(ended, counted ? chars : 0);
          if (skip > 1 && !only_last) ending.roots.push_back(i);
          if (node.token != kNoToken && !goes_on) ending.tokens.push_back(node.token);
        }
      }
      if (!goes_on) {
        i += skip;
        continue;
      }
      if (node.token != kNoToken) stays.push_back({node.token, chars});
      if (skip > 1) stack_.push_back({next, i + skip, chars});
      ++i;
    }
  }
  walk->counted = counted;
  if (counted) {
    std::stable_sort(stays.begin(), stays.end(),
                     [](const Stay& a, const Stay& b) { return a.chars < b.chars; });
    for (size_t i = 0; i < stays.size(); ++i)
      while (walk->chars_begin.size() <= stays[i].chars)
        walk->chars_begin.push_back(static_cast<uint32_t>(i));
  }
  walk->tokens.reserve(stays.size());
  for (const Stay& stay : stays) walk->tokens.push_back(stay.token);
  if (walk->tokens.size() > trie_->vocab_size() / kBitsFromShare) {
    walk->bits.assign(trie_->mask_words(), 0);
    for (const uint32_t first : walk->tokens)
      for (uint32_t t = first; t != kNoToken; t = trie_->NextSame(t))
        walk->bits[t / 64] |= uint64_t{1} << (t % 64);
    if (!counted) walk->tokens = {};
  }
  for (Ending& e : endings) {
    Walk::Crossing crossing{e.ended, e.chars, kNoView, std::move(e.tokens)};
    if (!e.roots.empty()) {
      crossing.rest = static_cast<ViewId>(views_.size());
      bytes_ += e.roots.size() * 4;
      views_.push_back(std::move(e.roots));
    }
    walk->crossings.push_back(std::move(crossing));
  }
}

void Walker::Tokens(ViewId view, std::vector<uint32_t>* out) const {
  const auto nodes = trie_->nodes();
  for (const uint32_t root : views_[view])
    for (uint32_t i = root + 1; i < root + nodes[root].skip(); ++i)
      if (nodes[i].token != kNoToken) out->push_back(nodes[i].token);
}

}  // namespace infe::grammar

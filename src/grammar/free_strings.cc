#include "grammar/free_strings.h"

#include <algorithm>

#include "grammar/lexer.h"
#include "grammar/token_trie.h"

namespace infe::grammar {
namespace {

struct Rest {
  std::string text;
  uint32_t token = 0;
};

RestTrie BuildRest(std::vector<Rest> rests) {
  std::sort(rests.begin(), rests.end(),
            [](const Rest& a, const Rest& b) { return a.text.compare(b.text) < 0; });
  RestTrie trie;
  trie.nodes.push_back({});
  std::vector<uint32_t> path{0};
  const auto close = [&](size_t depth) {
    while (path.size() - 1 > depth) {
      const uint32_t node = path.back();
      path.pop_back();
      trie.nodes[node].skip_and_byte |= static_cast<uint32_t>(trie.nodes.size() - node) << 8;
    }
  };
  std::string_view previous;
  for (const Rest& rest : rests) {
    const std::string_view text = rest.text;
    size_t common = 0;
    while (common < previous.size() && common < text.size() && previous[common] == text[common])
      ++common;
    close(common);
    for (size_t i = common; i < text.size(); ++i) {
      path.push_back(static_cast<uint32_t>(trie.nodes.size()));
      trie.nodes.push_back({UINT32_MAX, static_cast<uint8_t>(text[i])});
    }
    RestTrie::Node& node = trie.nodes[path.back()];
    if (node.list == UINT32_MAX) {
      node.list = static_cast<uint32_t>(trie.lists.size());
      trie.lists.emplace_back();
    }
    trie.lists[node.list].push_back(rest.token);
    previous = text;
  }
  close(0);
  trie.nodes[0].skip_and_byte |= static_cast<uint32_t>(trie.nodes.size()) << 8;
  return trie;
}

void Set(std::vector<uint64_t>& bits, const TokenTrie& trie, uint32_t token) {
  for (; token != kNoToken; token = trie.NextSame(token))
    bits[token / 64] |= uint64_t{1} << (token % 64);
}

// Walks the whole vocabulary through one free string, counting characters.
void Fill(const TokenTrie& trie, Spelling spelling, FreeString* out) {
  RegexPool pool;
  Lexer lexer(&pool, {}, kNothing);
  const LexemeId lexeme = lexer.AddLexeme({.spelling = spelling, .content = kAnything});
  const LexStateId inside = lexer.Next(lexer.Start({{lexeme, false}}), '"');
  struct Frame {
    LexStateId state;
    uint32_t end;
    uint32_t chars;
  };
  struct Stay {
    uint32_t token;
    uint32_t chars;
  };
  const auto nodes = trie.nodes();
  std::vector<Frame> stack{{inside, static_cast<uint32_t>(nodes.size()), 0}};
  std::vector<Stay> stays;
  std::vector<std::vector<Rest>> rests;
  out->touched.assign((nodes.size() + 63) / 64, 0);
  const auto touch = [&](uint32_t node) { out->touched[node / 64] |= uint64_t{1} << (node % 64); };
  for (uint32_t i = 1; i < nodes.size();) {
    while (i >= stack.back().end) stack.pop_back();
    const Frame frame = stack.back();
    const LexStateId next = lexer.Next(frame.state, nodes[i].byte());
    const uint32_t skip = nodes[i].skip();
    if (next == kDeadLex) {
      i += skip;
      continue;
    }
    if (lexer.Accepts(next) != kNoLexemes) {
      while (rests.size() <= frame.chars) {
        rests.emplace_back();
        out->closings.emplace_back();
      }
      if (nodes[i].token != kNoToken) {
        out->closings[frame.chars].tokens.push_back(nodes[i].token);
        touch(i);
      }
      // Everything below is a rest; its text is spelled from here on.
      std::string text;
      std::vector<uint32_t> ends;
      for (uint32_t k = i + 1; k < i + skip; ++k) {
        while (!ends.empty() && k >= ends.back()) {
          ends.pop_back();
          text.pop_back();
        }
        text += static_cast<char>(nodes[k].byte());
        ends.push_back(k + nodes[k].skip());
        if (nodes[k].token == kNoToken) continue;
        rests[frame.chars].push_back({text, nodes[k].token});
        touch(k);
      }
      i += skip;
      continue;
    }
    const uint32_t chars = frame.chars + (lexer.AtBoundary(frame.state) ? 1 : 0);
    if (nodes[i].token != kNoToken) {
      stays.push_back({nodes[i].token, chars});
      touch(i);
    }
    if (skip > 1) stack.push_back({next, i + skip, chars});
    ++i;
  }
  out->stays.assign(trie.mask_words(), 0);
  std::stable_sort(stays.begin(), stays.end(),
                   [](const Stay& a, const Stay& b) { return a.chars < b.chars; });
  // Tokens of more characters are few: they are taken out one by one where a bound is that wide.
  constexpr uint32_t kWindowsKept = 32;
  for (size_t i = 0; i < stays.size(); ++i) {
    while (out->up_to.size() < stays[i].chars && out->up_to.size() < kWindowsKept)
      out->up_to.push_back(out->stays);
    Set(out->stays, trie, stays[i].token);
    out->chars_max = std::max(out->chars_max, stays[i].chars);
  }
  for (const Stay& stay : stays)
    if (stay.chars > kWindowsKept) out->long_tokens.emplace_back(stay.token, stay.chars);
  std::vector<Rest> all;
  for (uint32_t c = 0; c < rests.size(); ++c) {
    FreeString::Closing& closing = out->closings[c];
    out->all_closings.tokens.insert(out->all_closings.tokens.end(), closing.tokens.begin(),
                                    closing.tokens.end());
    all.insert(all.end(), rests[c].begin(), rests[c].end());
    closing.rest = BuildRest(std::move(rests[c]));
    out->chars_max = std::max(out->chars_max, c);
  }
  out->all_closings.rest = BuildRest(std::move(all));
}

}  // namespace

FreeStrings::FreeStrings(const TokenTrie& trie) {
  Fill(trie, Spelling::kJsonString, &full_);
  Fill(trie, Spelling::kJsonCanonical, &canonical_);
}

}  // namespace infe::grammar

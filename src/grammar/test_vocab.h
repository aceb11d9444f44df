// A small vocabulary for tests and fuzz targets: every byte, and pieces that cross the borders of
// JSON's lexemes in awkward places, as real vocabularies do.
#pragma once

#include <cstdlib>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "grammar/matcher.h"

namespace infe::grammar {

inline constexpr uint32_t kTestEnd = 256;

inline std::shared_ptr<const TokenTrie> TestTrie() {
  static const std::shared_ptr<const TokenTrie> trie = [] {
    TokenTable table;
    for (int byte = 0; byte < 256; ++byte) table.bytes.emplace_back(1, static_cast<char>(byte));
    table.bytes.emplace_back("</s>");
    table.end_tokens = {kTestEnd};
    for (const char* piece :
         {"{\"",      "\"}",   "\":",         "\": ",         "\": \"", "\",",     "\", \"",
          "\",\"",    "\":\"", "\"]",         "\"},",         "\"}}",   "]}",      "}}",
          "},",       "}, {",  "},{",         "],",           "[]",     "{}",      "[{",
          "[{\"",     "[\"",   "[[",          "]]",           "]]}",    "  ",      "    ",
          "\n",       "\n  ",  "\n    ",      ",\n",          "{\n",    "{\n  \"", "true",
          "false",    "null",  "true,",       "null}",        ", ",     " \"",     " [",
          " {",       "10",    "100",         "12",           "0.",     ".5",      "e+",
          "1,",       "0]",    "-1",          "\\u",          "\\n",    "\\\"",    "\\ud83d",
          "u00",      "a",     "ab",          "abc",          "name",   "\"name",  "\"name\"",
          "\"a\"",    "\"b\"", "\"a\":",      "\"a\",",       "the",    " the",    "\xC3\xA9",
          "\xE2\x82", "\xAC",  "\xF0\x9F",    "\x98\x80",     "foo",    "bar",     "foo\"",
          "bar\",",   "\"\"",  "\"\":",       "\"\",\"\":",   "2020",   "-01",     "aaaa",
          "aaaaaaaa", "a\"",   "aa\"",        "aaa\"",        "<tool",  "_call",   ">",
          "</",       "tool",  "<tool_call>", "</tool_call>", ">=",     "=list",   "->",
          "\n\n",     "::=",   "==",          "a b",          "x,",     "y]"})
      table.bytes.emplace_back(piece);
    table.bytes.emplace_back("");     // an id without text
    table.bytes.emplace_back("{\"");  // two tokens with the same bytes
    table.bytes.emplace_back("[SPECIAL]");
    table.special_tokens = {static_cast<uint32_t>(table.bytes.size() - 1)};
    auto built = TokenTrie::Build(std::move(table));
    return built ? *built : nullptr;
  }();
  return trie;
}

// One token per byte.
inline std::vector<uint32_t> ByteTokens(std::string_view text) {
  std::vector<uint32_t> tokens;
  for (const char c : text) tokens.push_back(static_cast<uint8_t>(c));
  return tokens;
}

inline bool TakesTokens(const GrammarPtr& grammar, const std::vector<uint32_t>& tokens) {
  auto matcher = NewMatcher(grammar, TestTrie());
  for (const uint32_t token : tokens) {
    const auto mask = matcher->Mask();
    if (!mask || !mask->Allows(token)) return false;
    if (!matcher->Accept(token)) return false;
  }
  return matcher->IsComplete();
}

// Whether the whole text is a text of the grammar, read byte by byte with each token checked
// against the mask, and again by longest tokens.
inline bool Takes(const GrammarPtr& grammar, std::string_view text) {
  const bool by_bytes = TakesTokens(grammar, ByteTokens(text));
  const bool by_pieces = TakesTokens(grammar, TestTrie()->GreedyTokens(text));
  // The two must agree; if they do not, neither expectation of a test holds for both calls.
  if (by_bytes != by_pieces) std::abort();
  return by_bytes;
}

// Tokens drawn at random from each mask until the text is complete; past soft_limit tokens the way
// to the end. nullopt if a mask is empty before that: a dead end, which is a defect.
inline std::optional<std::string> RandomText(const GrammarPtr& grammar,
                                             const std::shared_ptr<const TokenTrie>& trie,
                                             std::mt19937_64& random, size_t soft_limit) {
  auto matcher = NewMatcher(grammar, trie);
  std::string text;
  for (size_t count = 0;; ++count) {
    const bool closing = count >= soft_limit;
    const auto mask = closing ? matcher->MaskToFinish() : matcher->Mask();
    if (!mask) return text;  // a limit is no dead end
    std::vector<uint32_t> allowed;
    for (uint32_t t = 0; t < mask->vocab_size; ++t)
      if (mask->Allows(t)) allowed.push_back(t);
    if (allowed.empty()) return std::nullopt;
    const uint32_t token = allowed[random() % allowed.size()];
    if (trie->IsEnd(token)) return text;
    if (!matcher->Accept(token)) return std::nullopt;
    if (!trie->IsSpecial(token)) text += trie->Bytes(token);
    if (count > soft_limit + 5000) return std::nullopt;
  }
}

// Compares Mask() with Allows() for every token; "" when equal, otherwise what differs.
inline std::string MaskDifference(Matcher& matcher, const TokenTrie& trie) {
  const auto mask = matcher.Mask();
  if (!mask) return mask.error().message;
  std::string difference;
  for (uint32_t token = 0; token < trie.vocab_size(); ++token) {
    if (mask->Allows(token) == matcher.Allows(token)) continue;
    difference += fmt::format("{} '{}' is {} by the mask; ", token, trie.Bytes(token),
                              mask->Allows(token) ? "allowed" : "forbidden");
  }
  return difference;
}

#define ExpectMaskIsExact(matcher, trie) EXPECT_EQ(MaskDifference(matcher, trie), "")

}  // namespace infe::grammar

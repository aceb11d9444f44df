#include "grammar/token_trie.h"

#include <gtest/gtest.h>

#include "grammar/test_vocab.h"

namespace infe::grammar {
namespace {

// Every byte, and all texts of two and some of three of the bytes that JSON is made of: a trie most
// of whose inner nodes have many children, which TestTrie has not.
std::shared_ptr<const TokenTrie> WideTrie() {
  static const std::shared_ptr<const TokenTrie> trie = [] {
    TokenTable table;
    for (int byte = 0; byte < 256; ++byte) table.bytes.emplace_back(1, static_cast<char>(byte));
    table.bytes.emplace_back("</s>");
    table.end_tokens = {kTestEnd};
    constexpr std::string_view kBytes = "\"{}[]:, \n\\abcdeimnu019-.\xC3\xA9\xF0\x9F";
    for (const char first : kBytes)
      for (const char second : kBytes) table.bytes.push_back({first, second});
    for (const char first : std::string_view("\"ab{, "))
      for (const char second : kBytes)
        for (const char third : kBytes) table.bytes.push_back({first, second, third});
    auto built = TokenTrie::Build(std::move(table));
    return built ? *built : nullptr;
  }();
  return trie;
}

TEST(TokenTrie, ListsTheChildrenOfNodesThatHaveMany) {
  size_t listed = 0;
  for (const auto& trie : {TestTrie(), WideTrie()}) {
    ASSERT_NE(trie, nullptr);
    const auto nodes = trie->nodes();
    for (uint32_t node = 0; node < nodes.size(); ++node) {
      std::vector<uint32_t> children;
      for (uint32_t at = node + 1; at < node + nodes[node].skip(); at += nodes[at].skip())
        children.push_back(at);
      const auto list = trie->Children(node);
      ASSERT_EQ(list.size(), children.size() >= 8 ? children.size() : 0) << node;
      for (size_t i = 0; i < list.size(); ++i) {
        ASSERT_EQ(list[i].node, children[i]);
        ASSERT_EQ(list[i].skip, nodes[children[i]].skip());
        ASSERT_EQ(list[i].byte, nodes[children[i]].byte());
      }
      listed += list.empty() ? 0 : 1;
    }
  }
  EXPECT_GT(listed, 150u);
}

TEST(TokenTrie, MasksOverManyChildrenAreExact) {
  std::mt19937_64 random(11);
  for (const char* schema :
       {R"({"type":"object","properties":{"ab":{"type":"integer"},"abc":{"type":"string"},
           "e":{"enum":["a","aa","b\u00e9"]}},"additionalProperties":{"type":"number"}})",
        R"({"type":"array","items":{"type":"string","pattern":"^[a-c]{2}-?[0-9]|nie$"}})",
        R"({"type":"object","patternProperties":{"^a[^b]":{"type":"null"}},"minProperties":2})",
        R"({"type":"array","uniqueItems":true,"minItems":3,
           "items":{"type":"string","minLength":2,"maxLength":5}})",
        R"({"type":"string","pattern":"(ab|ba)+c$","minLength":5})"}) {
    const auto json = ParseJson(schema);
    ASSERT_TRUE(json) << schema;
    const auto grammar = CompileJsonSchema(*json);
    ASSERT_TRUE(grammar) << schema;
    for (int round = 0; round < 3; ++round) {
      auto matcher = NewMatcher(*grammar, WideTrie());
      for (int step = 0; step < 14; ++step) {
        ExpectMaskIsExact(*matcher, *WideTrie());
        const auto mask = matcher->Mask();
        ASSERT_TRUE(mask);
        std::vector<uint32_t> allowed;
        for (uint32_t t = 0; t < mask->vocab_size; ++t)
          if (mask->Allows(t) && t != kTestEnd) allowed.push_back(t);
        if (allowed.empty()) break;
        ASSERT_TRUE(matcher->Accept(allowed[random() % allowed.size()]));
      }
    }
  }
}

}  // namespace
}  // namespace infe::grammar

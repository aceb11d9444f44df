#include "answer/marker_tokens.h"

#include <gtest/gtest.h>

#include "answer/choice_text.h"
#include "tokenizer/tiny_vocab.h"

namespace infe::answer {
namespace {

using tokenizer::TokenId;

TEST(MarkerTokens, AreControlTokensThatTheFormatIsSpelledWithAndAreShownAsText) {
  auto vocab = tokenizer::TinyByteLevelVocab();
  const auto size = static_cast<TokenId>(vocab.tokens.size());
  for (const char* name : {"[CALLS]", "[ARGS]", "[OTHER]", "[END]"}) {
    vocab.tokens.emplace_back(name);
    vocab.types.push_back(tokenizer::TokenType::kControl);
  }
  const auto made = tokenizer::Tokenizer::Create(std::move(vocab));
  ASSERT_TRUE(made) << made.error().message;
  chat::ToolFormat format;
  format.kind = chat::ToolFormat::Kind::kNamed;
  format.call_begin = "[CALLS]";
  format.between = "[ARGS]";
  format.triggers = {"[CALLS]"};
  format.closers = {"[END]"};
  const auto markers = FindMarkerTokens(**made, {size + 3}, format);
  ASSERT_EQ(markers.size(), 2u);
  EXPECT_EQ(markers[0].name, "[CALLS]");
  EXPECT_EQ(markers[0].token, size);
  EXPECT_EQ(markers[1].token, size + 1);

  const std::vector<TokenId> answer{'a', size, 'f', size + 1, '{', '}', size + 2};
  for (const bool shows : {true, false}) {
    ChoiceText text(**made, 'x', {}, false,
                    shows ? std::span<const MarkerToken>(markers) : std::span<const MarkerToken>{});
    std::string shown;
    for (const TokenId token : answer)
      shown += text.Feed({.token = token, .logprob = 0, .top = {}}).text;
    EXPECT_EQ(shown + text.Finish().text, shows ? "a[CALLS]f[ARGS]{}" : "af{}");
  }
}

}  // namespace
}  // namespace infe::answer

#include "answer/fill_in.h"

#include <array>

namespace infe::answer {
namespace {

using tokenizer::TokenId;

// A family's three names. Qwen, Granite and StarCoder, SantaCoder, CodeLlama, DeepSeek, GLM, and
// Codestral, which has no third.
struct Names {
  std::string_view prefix, suffix, middle;
};
constexpr std::array<Names, 8> kNames{
    {{"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"},
     {"<fim_prefix>", "<fim_suffix>", "<fim_middle>"},
     {"<fim-prefix>", "<fim-suffix>", "<fim-middle>"},
     {"<PRE>", "<SUF>", "<MID>"},
     {"\xE2\x96\x81<PRE>", "\xE2\x96\x81<SUF>", "\xE2\x96\x81<MID>"},
     {"<\xEF\xBD\x9C"
      "fim\xE2\x96\x81"
      "begin\xEF\xBD\x9C>",
      "<\xEF\xBD\x9C"
      "fim\xE2\x96\x81"
      "hole\xEF\xBD\x9C>",
      "<\xEF\xBD\x9C"
      "fim\xE2\x96\x81"
      "end\xEF\xBD\x9C>"},
     {"<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"},
     {"[PREFIX]", "[SUFFIX]", {}}}};

// A token of that name which no ordinary text becomes.
std::optional<TokenId> Special(const tokenizer::Tokenizer& tokenizer, std::string_view name) {
  if (name.empty()) return std::nullopt;
  const std::optional<TokenId> found = tokenizer.Find(name);
  if (!found || tokenizer.Type(*found) == tokenizer::TokenType::kNormal) return std::nullopt;
  return found;
}

std::optional<TokenId> InRange(const tokenizer::Tokenizer& tokenizer, std::optional<TokenId> id) {
  return id && *id < tokenizer.size() ? id : std::nullopt;
}

}  // namespace

std::optional<FillIn> FindFillIn(const tokenizer::Tokenizer& tokenizer, const FillInIds& ids) {
  const std::optional<TokenId> prefix = InRange(tokenizer, ids.prefix);
  const std::optional<TokenId> suffix = InRange(tokenizer, ids.suffix);
  if (prefix && suffix) return FillIn{*prefix, *suffix, InRange(tokenizer, ids.middle)};
  for (const Names& names : kNames) {
    const std::optional<TokenId> named_prefix = Special(tokenizer, names.prefix);
    const std::optional<TokenId> named_suffix = Special(tokenizer, names.suffix);
    const std::optional<TokenId> middle = Special(tokenizer, names.middle);
    if (named_prefix && named_suffix && (middle || names.middle.empty()))
      return FillIn{*named_prefix, *named_suffix, middle};
  }
  return std::nullopt;
}

std::vector<TokenId> EncodeFillIn(const tokenizer::Tokenizer& tokenizer, const FillIn& tokens,
                                  std::string_view before, std::string_view behind) {
  std::vector<TokenId> prompt;
  if (tokenizer.add_bos() && tokenizer.bos()) prompt.push_back(*tokenizer.bos());
  const auto add = [&](TokenId mark, std::string_view text) {
    prompt.push_back(mark);
    const std::vector<TokenId> encoded =
        tokenizer.Encode(text, {.add_special = tokenizer::AddSpecial::kNever});
    prompt.insert(prompt.end(), encoded.begin(), encoded.end());
  };
  if (tokens.middle) {
    add(tokens.prefix, before);
    add(tokens.suffix, behind);
    prompt.push_back(*tokens.middle);
  } else {
    add(tokens.suffix, behind);
    add(tokens.prefix, before);
  }
  return prompt;
}

}  // namespace infe::answer

#include "answer/model_text.h"

#include "answer/template_names.h"
#include "chat/harmony.h"
#include "engine/token_trie.h"

namespace infe::answer {
namespace {

chat::ModelTokens TokensOf(const ModelTextSource& source) {
  const tokenizer::Tokenizer& tokenizer = *source.tokenizer;
  chat::ModelTokens tokens;
  tokens.bos = source.bos_text;
  tokens.eos = source.eos_text;
  if (tokenizer.unknown()) tokens.unknown = tokenizer.TokenText(*tokenizer.unknown());
  if (tokenizer.padding()) tokens.padding = tokenizer.TokenText(*tokenizer.padding());
  tokens.adds_bos = tokenizer.add_bos();
  for (tokenizer::TokenId id = 0; id < tokenizer.size(); ++id)
    if (tokenizer.Type(id) == tokenizer::TokenType::kControl)
      tokens.control.push_back(tokenizer.TokenText(id));
  return tokens;
}

}  // namespace

Result<ModelText> MakeModelText(const ModelTextSource& source) {
  ModelText text;
  text.name = source.name;
  text.tokenizer = source.tokenizer;
  text.end_tokens = source.end_tokens;
  INFE_ASSIGN(text.renderer, chat::PromptRenderer::Create(source.chat_template, TokensOf(source)));
  text.template_names = TemplateNames(source.chat_template);
  text.efforts = EffortsOf(source.chat_template, *text.renderer);
  text.fill_in = FindFillIn(*source.tokenizer, source.fill_in);
  const auto find = [&](const std::vector<std::string_view>& texts) {
    return FindMarkerTokens(*source.tokenizer, source.end_tokens, texts);
  };
  const chat::ReasoningTags& tags = text.renderer->traits().reasoning_tags;
  std::vector<std::string_view> texts = text.renderer->tool_format().Texts();
  text.call_markers = find(texts);
  std::vector<std::string_view> thoughts{tags.begin, tags.end};
  // An answer in channels is told from its reasoning by all of its marks.
  if (text.renderer->traits().is_harmony)
    thoughts.assign(chat::harmony::kMarks.begin(), chat::harmony::kMarks.end());
  text.reasoning_markers = find(thoughts);
  texts.insert(texts.end(), thoughts.begin(), thoughts.end());
  text.markers = find(texts);
  INFE_ASSIGN(text.trie, engine::BuildTokenTrie(*source.tokenizer, source.end_tokens));
  return text;
}

std::span<const MarkerToken> ModelText::ShownTokens(
    const chat::OutputParserOptions& reading) const {
  const bool reasons = reading.reasoning != chat::ReasoningMode::kNone;
  if (reading.tools) return reasons ? markers : call_markers;
  return reasons ? reasoning_markers : std::span<const MarkerToken>();
}

}  // namespace infe::answer

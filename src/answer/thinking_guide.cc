#include "answer/thinking_guide.h"

#include <algorithm>

namespace infe::answer {
namespace {

constexpr std::string_view kThought = "zqthought";
constexpr std::string_view kAnswer = "zqanswer";

chat::Message MessageOf(chat::Role role, std::string_view content) {
  chat::Message message;
  message.role = role;
  message.content = content;
  return message;
}

std::vector<tokenizer::TokenId> EndingOf(const ModelText& model, const chat::ReasoningTags& tags) {
  return model.tokenizer->Encode(
      ThoughtEnd(model, tags),
      {.special = tokenizer::SpecialTokens::kAll, .add_special = tokenizer::AddSpecial::kNever});
}

// Bytes at the end of the text that `tag` begins with.
size_t BegunOf(std::string_view tag, std::string_view text) {
  for (size_t n = std::min(tag.size() - 1, text.size()); n > 0; --n)
    if (text.ends_with(tag.substr(0, n))) return n;
  return 0;
}

}  // namespace

std::string ThoughtEnd(const ModelText& model, const chat::ReasoningTags& tags) {
  chat::PromptRequest conversation;
  conversation.add_generation_prompt = false;
  conversation.messages = {MessageOf(chat::Role::kUser, "hi"),
                           MessageOf(chat::Role::kAssistant, kAnswer)};
  conversation.messages.back().reasoning_content = kThought;
  if (const auto rendered = model.renderer->Render(conversation)) {
    const std::string& text = rendered->rendered.text;
    const size_t thought = text.find(kThought);
    const size_t begin = thought == std::string::npos ? thought : thought + kThought.size();
    const size_t end = begin == std::string::npos ? begin : text.find(kAnswer, begin);
    if (end != std::string::npos) {
      std::string between = text.substr(begin, end - begin);
      if (between.find(tags.end) != std::string::npos) return between;
    }
  }
  return "\n" + tags.end + "\n\n";
}

ThinkingGuide::ThinkingGuide(const ModelText& model, const chat::OutputParserOptions& reading,
                             tokenizer::TokenId previous, uint64_t tokens_max)
    : tokenizer_(*model.tokenizer),
      tags_(reading.tags),
      tokens_max_(tokens_max),
      ending_(EndingOf(model, reading.tags)),
      state_(reading.reasoning == chat::ReasoningMode::kOpen ? State::kInside : State::kLead),
      decoder_(*model.tokenizer, previous) {
  if (state_ == State::kInside) MayEnd();
}

std::optional<tokenizer::TokenId> ThinkingGuide::Next() const {
  if (state_ != State::kEnding) return std::nullopt;
  return ending_[ending_taken_];
}

void ThinkingGuide::Take(tokenizer::TokenId token) {
  switch (state_) {
    case State::kOver:
      return;
    case State::kEnding:
      // A grammar may have forbidden it: then the thought goes its own way.
      if (token != ending_[ending_taken_] || ++ending_taken_ == ending_.size())
        state_ = State::kOver;
      return;
    case State::kLead:
    case State::kInside:
      break;
  }
  if (state_ == State::kInside) ++inside_;
  // A tag may be a control token, which has a name and no text.
  const bool named = tokenizer_.IsControl(token);
  TakeText(named ? decoder_.Flush() + tokenizer_.TokenText(token) : decoder_.Feed(token));
  if (state_ == State::kInside) MayEnd();
}

void ThinkingGuide::TakeText(std::string_view text) {
  if (state_ == State::kLead) return TakeLead(text);
  text_ += text;
  if (text_.find(tags_.end) != std::string::npos) {
    state_ = State::kOver;
    return;
  }
  text_.erase(0, text_.size() - std::min(text_.size(), tags_.end.size() - 1));
}

void ThinkingGuide::TakeLead(std::string_view text) {
  text_ += text;
  text_.erase(0, std::min(text_.find_first_not_of(" \t\r\n"), text_.size()));
  if (text_.starts_with(tags_.begin)) {
    state_ = State::kInside;
    const std::string rest = text_.substr(tags_.begin.size());
    text_.clear();
    return TakeText(rest);
  }
  if (!tags_.begin.starts_with(text_)) state_ = State::kOver;
}

bool ThinkingGuide::InCharacterOrTag() const {
  return decoder_.held_bytes() > 0 || BegunOf(tags_.end, text_) > 0;
}

void ThinkingGuide::MayEnd() {
  if (inside_ < tokens_max_ || ending_.empty() || InCharacterOrTag()) return;
  state_ = State::kEnding;
}

}  // namespace infe::answer

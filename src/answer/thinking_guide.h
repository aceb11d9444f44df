// Holds a model's reasoning to a number of tokens: when so many have been written, what ends a
// thought comes next, spelled as the model's own template spells it, and the answer begins.
//
//   Lead -> Inside -> Ending -> Over        Lead -> Over: the answer begins without a thought
//
// A thought is not ended inside a character, nor where its own end has just begun.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "answer/model_text.h"
#include "chat/output_parser.h"
#include "engine/request.h"
#include "tokenizer/stream_decoder.h"

namespace infe::answer {

// What stands between a thought and its answer where the template writes a turn that has both,
// "\n</think>\n\n" say; a spelling of the closing tag where it writes none.
std::string ThoughtEnd(const ModelText& model, const chat::ReasoningTags& tags);

class ThinkingGuide : public engine::TokenGuide {
 public:
  // How the thought is read: reading.reasoning is not kNone. previous: the prompt's last token.
  // model outlives it.
  ThinkingGuide(const ModelText& model, const chat::OutputParserOptions& reading,
                tokenizer::TokenId previous, uint64_t tokens_max);

  std::optional<tokenizer::TokenId> Next() const override;
  void Take(tokenizer::TokenId token) override;

 private:
  enum class State : uint8_t { kLead, kInside, kEnding, kOver };

  void TakeText(std::string_view text);
  void TakeLead(std::string_view text);
  void MayEnd();
  bool InCharacterOrTag() const;

  const tokenizer::Tokenizer& tokenizer_;
  const chat::ReasoningTags tags_;
  const uint64_t tokens_max_;
  const std::vector<tokenizer::TokenId> ending_;
  State state_;
  tokenizer::StreamDecoder decoder_;
  std::string text_;         // kLead: all of it; kInside: its end, shorter than the closing tag
  uint64_t inside_ = 0;      // tokens of the thought
  size_t ending_taken_ = 0;  // of ending_
};

}  // namespace infe::answer

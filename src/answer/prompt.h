// From an asked chat to what the model reads: the template's text and its tokens, and how the
// answer to it is to be read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "answer/ask.h"
#include "answer/backend.h"
#include "answer/model_text.h"
#include "chat/output_parser.h"

namespace infe::answer {

struct ChatPrompt {
  std::string text;
  std::vector<tokenizer::TokenId> tokens;
  chat::OutputParserOptions reading;
  std::string begun;                // Turn::kContinued: the text that the answer goes on with
  uint32_t truncated_messages = 0;  // by Truncation::kDropOldest
  std::vector<Origin> ignored;      // what the template has no place for
};

// Every failure is the ask's. CPU time: of the template, then of a long text's tokens.
Answered<ChatPrompt> BuildChatPrompt(const ModelText& model, const ChatAsk& ask,
                                     const AnswerPolicy& policy);

}  // namespace infe::answer

// From a parsed chat request to what the model reads: the template's text and its tokens, and how
// the answer to it is to be read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "api/openai/chat_completion_request.h"
#include "api/parsed.h"
#include "chat/output_parser.h"
#include "server/served_model.h"

namespace infe::server {

struct ChatPrompt {
  std::string text;
  std::vector<tokenizer::TokenId> tokens;
  chat::OutputParserOptions reading;
  uint32_t truncated_messages = 0;   // by truncation "auto"
  std::vector<std::string> ignored;  // fields the template has no place for
};

struct ChatPromptOptions {
  bool show_schema = true;  // one system line with the schema that the answer must follow
};

// Every failure is the request's (400). Runs on a task thread.
api::Parsed<ChatPrompt> BuildChatPrompt(const ServedModel& model,
                                        const api::ChatCompletionRequest& request,
                                        const ChatPromptOptions& options = {});

}  // namespace infe::server

// From a parsed chat request to what the model reads: the template's text and its tokens.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "api/chat_completion_request.h"
#include "api/parsed.h"
#include "server/served_model.h"

namespace infe::server {

struct ChatPrompt {
  std::string text;
  std::vector<tokenizer::TokenId> tokens;
};

// Every failure is the request's (400). Runs on a task thread.
api::Parsed<ChatPrompt> BuildChatPrompt(const ServedModel& model,
                                        const api::ChatCompletionRequest& request);

}  // namespace infe::server

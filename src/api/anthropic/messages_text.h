// An answer as a message of Anthropic's: a stream of events, or one object.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "api/answer_text.h"
#include "api/anthropic/messages_request.h"

namespace infe::api::anthropic {

struct MessageTextOptions {
  std::string id = {};     // msg_...
  std::string model = {};  // as the client calls it
  uint32_t prompt_tokens = 0;
  int64_t max_tokens = 0;
  bool cache_control = false;  // what the prompt leaves in the cache is counted
  Thinking::Display display = Thinking::Display::kShown;
};

std::unique_ptr<StreamText> MakeMessageStream(MessageTextOptions options, SendEvent send);
std::unique_ptr<WholeText> MakeMessageWhole(MessageTextOptions options);

// {"input_tokens":N}
std::string WriteTokenCount(uint32_t prompt_tokens);

}  // namespace infe::api::anthropic

// An answer as a chat completion: a stream of chunks, or one object.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "api/answer_text.h"
#include "api/openai/response_parts.h"
#include "api/openai/sampling.h"

namespace infe::api {

struct ChatTextOptions {
  ResponseHead head = {};
  ResponseExtras extras = {};  // timings are filled in at the end
  Streaming streaming = {};
  uint32_t choices = 1;
  bool logprobs = false;
  bool legacy_functions = false;  // calls are function_call, the only one there is
  bool named = false;             // a named function ends with finish_reason stop
  // Told the whole answer once it is complete, streamed or not; empty: nobody keeps it.
  std::function<void(const std::string& chat)> keep = {};
};

std::unique_ptr<StreamText> MakeChatStream(ChatTextOptions options, SendEvent send);
std::unique_ptr<WholeText> MakeChatWhole(ChatTextOptions options);

}  // namespace infe::api

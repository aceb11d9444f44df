// An answer as a text completion: a stream of chunks, or one object.
#pragma once

#include <cstdint>
#include <memory>

#include "api/answer_text.h"
#include "api/openai/response_parts.h"
#include "api/openai/sampling.h"

namespace infe::api {

struct CompletionTextOptions {
  ResponseHead head = {};
  ResponseExtras extras = {};  // timings are filled in at the end
  Streaming streaming = {};
  uint32_t choices = 1;  // of all prompts
  bool logprobs = false;
};

std::unique_ptr<StreamText> MakeCompletionStream(CompletionTextOptions options, SendEvent send);
std::unique_ptr<WholeText> MakeCompletionWhole(CompletionTextOptions options);

}  // namespace infe::api

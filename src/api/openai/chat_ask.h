// A chat completion's request as an ask, with the paths of its fields as origins.
#pragma once

#include "answer/ask.h"
#include "api/openai/chat_completion_request.h"

namespace infe::api {

// All but the caller, who is the server's to know.
answer::ChatAsk ToAsk(const ChatCompletionRequest& request);

}  // namespace infe::api

// A Messages request in the answer core's words.
#pragma once

#include "answer/ask.h"
#include "api/anthropic/messages_request.h"

namespace infe::api::anthropic {

// All but the caller.
answer::ChatAsk ToAsk(const MessagesRequest& request);

}  // namespace infe::api::anthropic

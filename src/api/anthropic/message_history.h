// The rules between messages: every tool_result answers a tool_use of the message before it, and
// every tool_use has its result in the message after it.
#pragma once

#include <vector>

#include "api/anthropic/message.h"

namespace infe::api::anthropic {

// System messages stand between others without parting them; neighbours of one role are one turn.
void ValidateHistory(const std::vector<Message>& messages, ParseContext& context);

}  // namespace infe::api::anthropic
